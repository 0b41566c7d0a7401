"""The default model as a user of sentence-transformers has it: float32, batches of 32, its own defaults.

The weights are those that the served encoder was made of, so a difference is the serving's.
"""

from collections.abc import Sequence
from tempfile import TemporaryDirectory

import sentencepiece
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from sentencepiece import sentencepiece_model_pb2 as messages
from transformers import XLMRobertaTokenizer

from search.arrays import Matrix
from search.encoders.base import Role
from search.encoders.catalog import DEFAULT_ENCODER
from search.encoders.packages import packed_e5_file
from search.encoders.packed_e5 import read_packed_e5
from search.encoders.source_e5 import from_package
from search.encoders.source_model import E5_PROMPTS

BATCH = 32
"""What ``SentenceTransformer.encode`` takes by default."""


class PlainModel:
    """multilingual-e5-small on torch."""

    def __init__(self) -> None:
        source = from_package(DEFAULT_ENCODER)
        with TemporaryDirectory(prefix="xunyi-plain-") as folder:
            source.transformer.save_pretrained(folder)
            _tokenizer(source.sequence_tokens).save_pretrained(folder)
            transformer = Transformer(folder, model_kwargs={"add_pooling_layer": False})
        pooling = Pooling(transformer.get_embedding_dimension(), source.pooling)
        self._model = SentenceTransformer(modules=[transformer, pooling, Normalize()], device="cpu")

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), d)``."""
        rows: Matrix = self._model.encode(
            list(texts), prompt=E5_PROMPTS[role], batch_size=BATCH, show_progress_bar=False
        )
        return rows


def _tokenizer(sequence_tokens: int) -> XLMRobertaTokenizer:
    packed = read_packed_e5(packed_e5_file())
    published = messages.ModelProto()
    rule = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    published.ParseFromString(rule.serialized_model_proto())
    return XLMRobertaTokenizer(
        vocab=list(zip(packed.pieces, packed.scores.tolist(), strict=True)),
        _spm_precompiled_charsmap=published.normalizer_spec.precompiled_charsmap,
        model_max_length=sequence_tokens,
    )
