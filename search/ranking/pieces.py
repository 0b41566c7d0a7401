"""From a model's pieces to words: what a piece of a query weighs, and which pieces are one word.

A model cuts text into pieces of its own; people read words.  What a piece is worth is told by the words
(terms of the analyzer) that it is a part of: how rare they are in the collection.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from search.arrays import Spans
from search.text.analyzer import Token
from search.text.scripts import HAN

UNNAMED_WEIGHT = 0.3
"""What a piece of no term (a function word) weighs beside the rarest word of its query."""

_HAN = re.compile(f"[{HAN}]")
_CHARACTERS_REMEMBERED = 10_000


def said(text: str, spans: Spans) -> NDArray[np.bool_]:
    """Return which pieces ``(n, 2)`` hold a letter or a digit."""
    pieces = [text[start:end] for start, end in spans.tolist()]
    return np.array([piece.isalnum() or any(map(str.isalnum, piece)) for piece in pieces], dtype=bool)


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


def words_of_pieces(text: str, spans: Spans, tokens: Sequence[Token]) -> tuple[Spans, NDArray[np.int64]]:
    """Join the pieces ``(n, 2)`` of ``text`` that are parts of one word.

    Returns where the words ``(m, 2)`` stand, in reading order, and the number of each one's first piece
    ``(m,)``; the others follow it.

    Pieces belong together when one token (or two that overlap) covers both, or when nothing stands between
    them and neither is Chinese; a piece may stand for itself.
    """
    if not len(spans):
        return spans, np.empty(0, dtype=np.int64)
    runs = _runs(tokens)
    first = np.searchsorted(runs[:, 1], spans[:, 0], side="right")
    after = np.where(spans[:, 0] < spans[:, 1], np.searchsorted(runs[:, 0], spans[:, 1]), first)
    shared = np.maximum(first[1:], first[:-1]) < np.minimum(after[1:], after[:-1])
    shared |= _joined(text, spans)
    begins = np.concatenate([[0], np.flatnonzero(~shared) + 1])
    words = [np.minimum.reduceat(spans[:, 0], begins), np.maximum.reduceat(spans[:, 1], begins)]
    return np.stack(words, axis=1), begins


def _runs(tokens: Sequence[Token]) -> Spans:
    """Return the ranges that tokens cover ``(m, 2)``, ascending; those of overlapping tokens are one."""
    runs: list[list[int]] = []
    for token in tokens:
        if runs and token.start < runs[-1][1]:
            runs[-1] = [min(token.start, runs[-1][0]), max(token.end, runs[-1][1])]
        else:
            runs.append([token.start, token.end])
    return np.array(runs, dtype=np.int32).reshape(-1, 2)


def _joined(text: str, spans: Spans) -> NDArray[np.bool_]:
    """Return which pieces ``(n - 1,)``, but for the first, follow at once and go on with the word before."""
    starts, ends = spans.T
    empty = starts == ends
    near = starts[1:] <= ends[:-1]
    of_one_character = empty[1:] | empty[:-1] | (starts[1:] < ends[:-1])
    joined: NDArray[np.bool_] = near & of_one_character
    meeting = np.flatnonzero(near & ~joined)
    joined[meeting] = [_of_a_word(text[end - 1]) and _of_a_word(text[end]) for end in ends[meeting].tolist()]
    return joined


@lru_cache(_CHARACTERS_REMEMBERED)
def _of_a_word(character: str) -> bool:
    """Return whether it is a letter or digit, and no Chinese one, which may be a word by itself."""
    return character.isalnum() and not _HAN.match(character)
