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

import struct
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
_MIDDLE = np.float32((_LEVELS - 1) / 2)
"""What lies between a digit, from 0, and its level."""
_SPACING = 0.733
"""Distance of the levels, in standard deviations."""
_BYTE_MAX = 127
_HEADER = struct.Struct("<HHHf")
"""Version, number of states, d, and what the numbers of m count in."""
_CODED_STATES, _BLOCK_STATES = 1024, 128
"""How many states are unpacked at a time, and multiplied."""

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
        levels = _spelt_out(self.codes)[:, : self.mean.size]
        factors = self.factors.astype(np.float32)
        return np.asarray(factors[:, :1] * levels + factors[:, 1:] * self.mean, dtype=np.float32)


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
            _HEADER.pack(VERSION, len(levels), centre.size, spread),
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
    if len(stored) < _HEADER.size:
        raise ValueError("token states that end before they begin")
    version, count, dimension, spread = _HEADER.unpack_from(stored)
    if version != VERSION:
        raise ValueError(f"token states of version {version} where {VERSION} is known")
    width = -(-dimension // _PER_BYTE)
    mean_at, factors_at = _HEADER.size, _HEADER.size + dimension
    codes_at = factors_at + 4 * count
    return StoredStates(
        codes=np.frombuffer(stored, np.uint8, count * width, codes_at).reshape(count, width),
        factors=np.frombuffer(stored, "<f2", 2 * count, factors_at).reshape(count, 2),
        mean=np.frombuffer(stored, np.int8, dimension, mean_at) * np.float32(spread),
        packed_spans=stored[codes_at + count * width :],
    )


def upright(stored: StoredStates) -> States:
    """Return the states x ``(n, d)`` of a passage, of unit length, before they lean: a query's do not."""
    return unit_rows(_spelt_out(stored.codes)[:, : stored.mean.size])


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
    digits = np.pad((levels + _MIDDLE).astype(np.uint8), ((0, 0), (0, missing)))
    high, middle, low = (digits[:, place::_PER_BYTE] for place in range(_PER_BYTE))
    codes: Codes = (high * _LEVELS + middle) * _LEVELS + low
    return codes


def _digits(codes: Codes) -> NDArray[np.uint8]:
    """Return the three digits ``(3, n, ceil(d / 3))`` of each byte, by whole numbers, which is fastest."""
    digits = np.empty((_PER_BYTE, *codes.shape), dtype=np.uint8)
    leading = codes // _LEVELS
    np.floor_divide(leading, _LEVELS, out=digits[0])
    np.subtract(leading, digits[0] * _LEVELS, out=digits[1])
    np.subtract(codes, leading * _LEVELS, out=digits[2])
    return digits


def _spelt_out(codes: Codes) -> NDArray[np.float32]:
    """Return the levels of each number, in halves, ``(n, 3 ceil(d / 3))``."""
    digits = _digits(codes).transpose(1, 2, 0).reshape(len(codes), codes.shape[1] * _PER_BYTE)
    return digits.astype(np.float32) - _MIDDLE


@dataclass(frozen=True)
class PackedPassages:
    """The states of several passages, one behind another, as attention looks at them."""

    passages: Sequence[StoredStates]

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many states each passage has ``(p,)``."""
        return np.array([len(passage.codes) for passage in self.passages], dtype=np.int64)

    def products(self, query: States) -> NDArray[np.float32]:
        """Return the inner products ``(n, sum of lengths)`` of rows ``(n, d)`` with all states."""
        found = np.empty((int(self.lengths.sum()), len(query)), dtype=np.float32)
        if not found.size:
            return found.T
        codes = np.concatenate([passage.codes for passage in self.passages])
        missing = codes.shape[1] * _PER_BYTE - query.shape[1]
        asked = np.pad(query, ((0, 0), (0, missing))).reshape(len(query), -1, _PER_BYTE)
        _multiply(codes, np.ascontiguousarray(asked.T.reshape(-1, len(query))), found)
        factors = np.concatenate([passage.factors for passage in self.passages]).astype(np.float32)
        whole = np.stack([passage.mean for passage in self.passages]) @ query.T
        found *= factors[:, :1]
        found += factors[:, 1:] * np.repeat(whole, self.lengths, axis=0)
        return found.T


def _multiply(codes: Codes, asked: NDArray[np.float32], found: NDArray[np.float32]) -> None:
    """Put into ``found (m, n)`` the products of the levels of ``codes (m, w)`` with ``asked (3 w, n)``.

    As ``_digits`` has them, the first digits of all bytes come before the second ones.  They are made and
    multiplied some at a time, in memory that stays in the cache.  A digit is a level and the middle one, so
    what the middle one brings is taken away again.
    """
    room = np.empty((_BLOCK_STATES, _PER_BYTE, codes.shape[1]), dtype=np.float32)
    for start in range(0, len(codes), _CODED_STATES):
        digits = _digits(codes[start : start + _CODED_STATES]).transpose(1, 0, 2)
        into = found[start : start + _CODED_STATES]
        for place in range(0, len(digits), _BLOCK_STATES):
            block = digits[place : place + _BLOCK_STATES]
            room[: len(block)] = block
            np.dot(room[: len(block)].reshape(len(block), -1), asked, out=into[place : place + _BLOCK_STATES])
    found -= _MIDDLE * asked.sum(axis=0)
