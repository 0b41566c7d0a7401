"""Builds a sentencepiece model out of bare pieces and scores, so that ids are the model's own.

The same vocabulary takes about 54 MB as a sentencepiece model and 300 MB as a ``tokenizers``
Unigram, hence this detour.  The normalisation is sentencepiece's own ``nmt_nfkc``, the one
XLM-RoBERTa was trained with.  ``<s>``, ``<pad>``, ``</s>`` and ``<mask>`` become control pieces:
text that happens to contain them is text.  Only preparation calls this; serving loads the bytes.
"""

from collections.abc import Sequence
from typing import Any

import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as messages

from search.encoders.packed_e5 import SpecialIds

CONTROL_PIECES = frozenset({"<s>", "<pad>", "</s>", "<mask>"})


def sentencepiece_model(pieces: Sequence[str], scores: Sequence[float], special_ids: SpecialIds) -> bytes:
    """Return a serialised unigram model in which piece ``i`` has id ``i``."""
    model = messages.ModelProto()
    for id_, (piece, score) in enumerate(zip(pieces, scores, strict=True)):
        model.pieces.add(piece=piece, score=score, type=_type(id_, piece, special_ids.unknown))
    spec = model.trainer_spec
    spec.model_type = messages.TrainerSpec.UNIGRAM
    spec.vocab_size = len(pieces)
    spec.bos_id, spec.eos_id = special_ids.begin, special_ids.end
    spec.pad_id, spec.unk_id = special_ids.pad, special_ids.unknown
    spec.bos_piece, spec.eos_piece = pieces[special_ids.begin], pieces[special_ids.end]
    spec.pad_piece, spec.unk_piece = pieces[special_ids.pad], pieces[special_ids.unknown]
    _normalise_as_published(model.normalizer_spec)
    serialised: bytes = model.SerializeToString()
    return serialised


def _type(id_: int, piece: str, unknown_id: int) -> int:
    kinds = messages.ModelProto.SentencePiece
    if id_ == unknown_id:
        return int(kinds.UNKNOWN)
    return int(kinds.CONTROL if piece in CONTROL_PIECES else kinds.NORMAL)


def _normalise_as_published(spec: Any) -> None:
    published = messages.ModelProto()
    rule = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    published.ParseFromString(rule.serialized_model_proto())
    spec.CopyFrom(published.normalizer_spec)
    spec.add_dummy_prefix = True
    spec.remove_extra_whitespaces = True
    spec.escape_whitespaces = True
