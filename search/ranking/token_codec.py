"""How the token states of a passage are kept, in a twelfth of their room.

A state is what the model makes of one piece of a text, centred, of unit length, and leaning a little
towards what the whole passage says (``CONTEXT``): y = (x + c m) / |x + c m|, with m the unit mean of all
states of the passage.  Of x each number is stored as one of six evenly spaced levels, three numbers a byte;
what the levels need to become a y of unit length, and m, are stored more finely.  So a product with a
query's state is

    q . y  =  a (q . levels) + b (q . m)            a, b: two numbers of each piece

Pieces without a letter or a digit are left out: nobody looks for them, and they take a tenth of the room.

Measured over five judged collections (nDCG@10 of the whole ranking, 200 questions each; bytes of a passage
of 180 pieces):

    all pieces:              float32 .6609   2 bits .6567 (18 KB)   2 bits, pooled in pairs .6477
    without punctuation:     3 bits .6594 (24 KB)   six levels .6591 (22 KB)
    without function words:  float32 .6595   4 bits .6598 (22 to 28 KB)   3 bits .6582

Sources:
    Max, Quantizing for minimum distortion, IRE Transactions on Information Theory 6, 1960, table II: the
        best spacing of even levels for what is normally distributed, as the numbers of a state are.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search.arrays import Spans, States, Vector, unit_rows
from search.ranking.pieces import said

VERSION = 1
"""Raised by every change that gives other bytes."""

CONTEXT = np.float32(0.3)
"""c: how much of what the passage says as a whole goes into each of its states."""

_LEVELS = 6
_PER_BYTE = 3
_SPACING = 0.733
"""Distance of the levels, in standard deviations."""
_BYTE_MAX = 127

Codes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class StoredStates:
    """The states of one passage, as they lie in its bytes."""

    codes: Codes
    """Levels ``(n, ceil(d / 3))``."""
    factors: NDArray[np.float16]
    """a and b of each piece ``(n, 2)``."""
    mean: Vector
    """m ``(d,)``."""
    packed_spans: bytes

    @property
    def spans(self) -> Spans:
        """Where each piece stands ``(n, 2)`` in the text that was encoded."""
        steps = np.frombuffer(zlib.decompress(self.packed_spans), dtype="<i4").astype(np.int32)
        spans: Spans = np.cumsum(steps, dtype=np.int32).reshape(-1, 2)
        return spans

    def states(self) -> States:
        """Return the states themselves ``(n, d)``, whose products are those of ``PackedPassages``."""
        levels = np.take(_TRIPLES, self.codes).view(np.float32).reshape(*self.codes.shape, _PER_BYTE + 1)
        spelt = levels[:, :, :_PER_BYTE].reshape(len(levels), -1)[:, : self.mean.size]
        factors = self.factors.astype(np.float32)
        return np.asarray(factors[:, :1] * spelt + factors[:, 1:] * self.mean, dtype=np.float32)


def packed(states: States, spans: Spans, text: str, centre: Vector) -> bytes:
    """Return the bytes to be stored of a passage's states.

    Args:
        states: what a model made of each piece of ``text`` ``(n, d)``.
        spans: where each piece stands in ``text`` ``(n, 2)``.
        text: what the model read, but for prompt and special tokens.
        centre: ``(d,)``, what raw states lose.
    """
    centred = unit_rows(states - centre)
    mean = unit_rows(centred.mean(axis=0, keepdims=True))[0] if len(centred) else np.zeros_like(centre)
    kept = said(text, spans)
    levels, spans = _levels(centred[kept]), spans[kept]
    lengths = np.linalg.norm(levels, axis=1, keepdims=True)
    leaning = np.linalg.norm(levels / lengths + CONTEXT * mean, axis=1, keepdims=True)
    factors = np.concatenate([1 / (lengths * leaning), CONTEXT / leaning], axis=1)
    spread = np.abs(mean).max(initial=0) / _BYTE_MAX or np.float32(1)
    return b"".join(
        [
            np.array([VERSION, len(levels), centre.size], dtype="<u2").tobytes(),
            np.float32(spread).astype("<f4").tobytes(),
            np.rint(mean / spread).astype(np.int8).tobytes(),
            factors.astype("<f2").tobytes(),
            _codes(levels).tobytes(),
            zlib.compress(np.diff(spans.reshape(-1), prepend=np.int32(0)).astype("<i4").tobytes()),
        ]
    )


def unpacked(stored: bytes) -> StoredStates:
    """Return the states that ``packed`` wrote.

    Raises:
        ValueError: another version wrote them, or they are cut short.
    """
    version, count, dimension = (int(number) for number in np.frombuffer(stored[:6], dtype="<u2"))
    if version != VERSION:
        raise ValueError(f"token states of version {version} where {VERSION} is known")
    width = -(-dimension // _PER_BYTE)
    mean_at, factors_at = 10, 10 + dimension
    codes_at = factors_at + 4 * count
    spread = np.frombuffer(stored[6:10], dtype="<f4")[0]
    return StoredStates(
        codes=np.frombuffer(stored, np.uint8, count * width, codes_at).reshape(count, width),
        factors=np.frombuffer(stored, "<f2", 2 * count, factors_at).reshape(count, 2),
        mean=np.frombuffer(stored, np.int8, dimension, mean_at) * spread,
        packed_spans=stored[codes_at + count * width :],
    )


def upright(stored: StoredStates) -> States:
    """Return the states x ``(n, d)`` of a passage, of unit length, before they lean: a query's do not."""
    count, width = stored.codes.shape
    spelt = _TRIPLES[stored.codes].view(np.float32).reshape(count, width, _PER_BYTE + 1)
    levels = spelt[:, :, :_PER_BYTE].reshape(count, width * _PER_BYTE)
    return unit_rows(levels[:, : stored.mean.size])


def _levels(states: States) -> NDArray[np.float32]:
    """Return the level of every number, in halves: -2.5, -1.5 ... 2.5."""
    spacing = states.std(axis=1, keepdims=True) * np.float32(_SPACING)
    steps = np.floor(np.divide(states, spacing, out=np.zeros_like(states), where=spacing > 0))
    half = _LEVELS // 2
    levels: NDArray[np.float32] = np.clip(steps, -half, half - 1) + np.float32(0.5)
    return levels


def _codes(levels: NDArray[np.float32]) -> Codes:
    """Return three levels a byte; what is missing at the end of a row is of the lowest."""
    missing = -levels.shape[1] % _PER_BYTE
    digits = np.pad((levels + (_LEVELS - 1) / 2).astype(np.uint8), ((0, 0), (0, missing)))
    high, middle, low = (digits[:, place::_PER_BYTE] for place in range(_PER_BYTE))
    codes: Codes = (high * _LEVELS + middle) * _LEVELS + low
    return codes


@dataclass(frozen=True)
class PackedPassages:
    """The states of several passages, one behind another, as attention looks at them."""

    passages: Sequence[StoredStates]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many states each passage has ``(p,)``."""
        return np.array([len(passage.codes) for passage in self.passages], dtype=np.int64)

    def products(self, query: States) -> NDArray[np.float32]:
        """Return the inner products ``(n, sum of lengths)`` of rows ``(n, d)`` with all states.

        The levels are spelt out a few hundred states at a time, in memory that stays in the cache.
        """
        found = np.empty((int(self.lengths.sum()), len(query)), dtype=np.float32)
        if not found.size:
            return found.T
        width = self.passages[0].codes.shape[1]
        asked = np.zeros((len(query), width, _PER_BYTE + 1), dtype=np.float32)
        padded = np.pad(query, ((0, 0), (0, width * _PER_BYTE - query.shape[1])))
        asked[:, :, :_PER_BYTE] = padded.reshape(len(query), width, _PER_BYTE)
        turned = np.ascontiguousarray(asked.reshape(len(query), -1).T)
        codes = np.concatenate([passage.codes for passage in self.passages])
        room = np.empty((_BLOCK_STATES, width), dtype=_TRIPLES.dtype)
        for start in range(0, len(codes), _BLOCK_STATES):
            block = codes[start : start + _BLOCK_STATES]
            spelt = np.take(_TRIPLES, block, out=room[: len(block)], mode="clip").view(np.float32)
            np.dot(spelt, turned, out=found[start : start + _BLOCK_STATES])
        factors = np.concatenate([passage.factors for passage in self.passages]).astype(np.float32)
        whole = np.stack([passage.mean for passage in self.passages]) @ query.T
        found *= factors[:, :1]
        found += factors[:, 1:] * np.repeat(whole, self.lengths, axis=0)
        return found.T


_BLOCK_STATES = 128


def _triples() -> NDArray[np.complex128]:
    """Return for each byte its three levels and a 0: sixteen bytes, which NumPy copies in one go."""
    codes = np.arange(_LEVELS**_PER_BYTE)
    digits = np.stack([codes // _LEVELS**2, codes // _LEVELS % _LEVELS, codes % _LEVELS], axis=1)
    spelt = np.zeros((len(codes), _PER_BYTE + 1), dtype=np.float32)
    spelt[:, :_PER_BYTE] = digits - (_LEVELS - 1) / 2
    return spelt.view(np.complex128)[:, 0]


_TRIPLES = _triples()
