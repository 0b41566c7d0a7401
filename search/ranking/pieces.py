"""From a model's pieces to words: what a piece of a query weighs, and which pieces are one word.

A model cuts text into pieces of its own; people read words.  What a piece is worth is told by the words
(terms of the analyzer) that it is a part of: how rare they are in the collection.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from search.arrays import Spans
from search.text.analyzer import Token
from search.text.scripts import HAN

UNNAMED_WEIGHT = 0.3
"""What a piece of no term (a function word) weighs beside the rarest word of its query."""

_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as a text has it: ``text[start:end]``, and its pieces."""

    start: int
    end: int
    pieces: slice


def said(text: str, spans: Spans) -> NDArray[np.bool_]:
    """Return which pieces ``(n, 2)`` hold a letter or a digit."""
    return np.array([any(map(str.isalnum, text[start:end])) for start, end in spans.tolist()], dtype=bool)


def tokens_of_pieces(spans: Spans, tokens: Sequence[Token]) -> list[list[int]]:
    """Return for each piece the numbers of the ``tokens`` of the same text that it is a part of."""
    starts, ends = (
        np.array([getattr(token, edge) for token in tokens], dtype=np.int64) for edge in ("start", "end")
    )
    return [
        np.flatnonzero((starts < end) & (ends > start)).tolist() if start < end else []
        for start, end in spans.tolist()
    ]


def piece_weights(terms: Sequence[Sequence[str]], rarity: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what each piece weighs ``(n,)``, 1 in all: the rarity of the rarest term it is a part of.

    Args:
        terms: of each piece.
        rarity: inverse document frequency of every term of the query.
    """
    most = max(rarity.values(), default=1.0) or 1.0
    weights = [max((rarity[term] for term in those), default=UNNAMED_WEIGHT * most) for those in terms]
    return np.array(weights) / max(sum(weights), np.finfo(float).tiny)


def words_of_pieces(text: str, spans: Spans, tokens: Sequence[Token]) -> list[Word]:
    """Join the pieces ``(n, 2)`` of ``text`` that are parts of one word, in reading order.

    Pieces belong together when one token (or two that overlap) covers both, or when nothing stands between
    them and neither is Chinese; a piece may stand for itself.
    """
    if not len(spans):
        return []
    runs = _runs(tokens)
    first = np.searchsorted(runs[:, 1], spans[:, 0], side="right")
    after = np.where(spans[:, 0] < spans[:, 1], np.searchsorted(runs[:, 0], spans[:, 1]), first)
    shared = np.maximum(first[1:], first[:-1]) < np.minimum(after[1:], after[:-1])
    near = np.flatnonzero(~shared & (spans[1:, 0] <= spans[:-1, 1]))
    shared[near] = [_joined(text, *spans[place : place + 2].tolist()) for place in near.tolist()]
    begins = np.concatenate([[0], np.flatnonzero(~shared) + 1])
    starts = np.minimum.reduceat(spans[:, 0], begins).tolist()
    ends = np.maximum.reduceat(spans[:, 1], begins).tolist()
    bounds = pairwise([*begins.tolist(), len(spans)])
    return [Word(start, end, slice(*bound)) for start, end, bound in zip(starts, ends, bounds, strict=True)]


def _runs(tokens: Sequence[Token]) -> Spans:
    """Return the ranges that tokens cover ``(m, 2)``, ascending; those of overlapping tokens are one."""
    runs: list[list[int]] = []
    for token in tokens:
        if runs and token.start < runs[-1][1]:
            runs[-1] = [min(token.start, runs[-1][0]), max(token.end, runs[-1][1])]
        else:
            runs.append([token.start, token.end])
    return np.array(runs, dtype=np.int32).reshape(-1, 2)


def _joined(text: str, one: Sequence[int], next_one: Sequence[int]) -> bool:
    """Return whether a second piece that follows at once goes on with the word of the first."""
    if one[0] == one[1] or next_one[0] == next_one[1] or next_one[0] < one[1]:
        return True  # parts of one character
    before, after = text[one[1] - 1], text[next_one[0]]
    return before.isalnum() and after.isalnum() and not (_HAN.match(before) or _HAN.match(after))
