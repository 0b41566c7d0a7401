"""Examples instead of a question: which of their pieces ask, and what each of them weighs.

The stored states of example passages play the query.  They lie on the side of passages, where the language
of a text shows, so they give up what they have of the direction from one language to the other: their
products with the states of candidates then say nothing of it.  A passage says its words more often than a
question does, so a word that occurs f times counts 1 + ln f times, not f times.  The weightiest pieces of
all examples ask; those of examples that are not wanted weigh less than nothing.

nDCG@10 of what belongs together (documents that answer one question, a section and its translation), up to
300 examples each, for dense and for 64 pieces; 128 and 256 pieces cost more and are no better:

    demo .906 .927   cranfield .395 .402   stackfaq_answers .536 .586   vue in both languages .879 .941
    dureader_docs, where dense also beats attention for questions .763 .743
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.arrays import Vector
from search.attending import QUERY_PIECES_MAX
from search.centring import without_language
from search.encoders.base import Language
from search.model import FoundPassage
from search.question import QueryPieces
from search.ranking.pieces import piece_weights, tokens_of_pieces
from search.ranking.token_codec import StoredStates, upright
from search.text.analyzer import Analyzer

EXAMPLES_MAX = 16
"""Passages of either side whose pieces are looked at: those nearest to their side's mean."""
BETWEEN = "\n"
"""Stands between the texts of examples where they are one text."""

Rarity = Callable[[Sequence[str]], Mapping[str, float]]
"""Terms -> inverse document frequency of each in the collection."""


@dataclass(frozen=True, slots=True)
class Example:
    """A passage that plays a part of the query."""

    found: FoundPassage
    stored: StoredStates


@dataclass(frozen=True, slots=True)
class _Share:
    """The pieces of one example that ask."""

    example: Example
    places: NDArray[np.int64]
    terms: Sequence[Sequence[str]]
    weights: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asking:
    """The pieces of examples that ask, as if they were those of a query."""

    pieces: QueryPieces
    text: str
    """The texts of the examples that have a piece here, one after another."""
    starts: Sequence[int]
    """Where each of them begins in ``text``."""
    examples: Sequence[Example]

    def placed(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Return an explanation that tells of words of examples where they stand in their documents.

        Words of a title or of headings have no place.
        """
        return {**told, "query": [self._placed(word) for word in told["query"]]}

    def _placed(self, word: Mapping[str, Any]) -> dict[str, Any]:
        number = int(np.searchsorted(self.starts, word["start"], side="right")) - 1
        found = self.examples[number].found
        begin = self.starts[number] + len(found.encoded) - len(found.passage.text)
        moved = found.passage.start - begin
        inside = word["start"] >= begin
        return {
            **word,
            "key": found.key,
            "passage": found.passage.id,
            "start": word["start"] + moved if inside else None,
            "end": word["end"] + moved if inside else None,
        }


def asking(
    like: Sequence[Example],
    unlike: Sequence[Example],
    rarity: Rarity,
    means: Mapping[Language, Vector],
    analyzer: Analyzer,
) -> Asking:
    """Return what asks for passages like some and unlike others.

    Args:
        like: at least one example; its pieces weigh 1 in all.
        unlike: any number of them; theirs weigh -1 in all.
        rarity: see ``Rarity``.
        means: of the states of passages of each language ``(d,)``.
        analyzer: of the collection.
    """
    budget = QUERY_PIECES_MAX // 2 if unlike else QUERY_PIECES_MAX
    shares = _shares(like, rarity, analyzer, budget)
    shares += [replace(share, weights=-share.weights) for share in _shares(unlike, rarity, analyzer, budget)]
    texts = [share.example.found.encoded for share in shares]
    starts = list(accumulate((len(text) + len(BETWEEN) for text in texts), initial=0))[: len(texts)]
    states = [upright(share.example.stored)[share.places] for share in shares]
    spans = [
        share.example.stored.spans[share.places] + np.int32(start)
        for share, start in zip(shares, starts, strict=True)
    ]
    pieces = QueryPieces(
        without_language(np.concatenate([upright(like[0].stored)[:0], *states]), means),
        np.concatenate([np.empty((0, 2), np.int32), *spans]),
        [those for share in shares for those in share.terms],
        np.concatenate([np.empty(0), *(share.weights for share in shares)]),
    )
    return Asking(pieces, BETWEEN.join(texts), starts, [share.example for share in shares])


def _shares(examples: Sequence[Example], rarity: Rarity, analyzer: Analyzer, budget: int) -> list[_Share]:
    """Return the weightiest pieces of examples, at most ``budget`` of them, which weigh 1 in all."""
    terms = [those for example in examples for those in _terms(example, analyzer)]
    known = rarity(sorted({term for those in terms for term in those}))
    weights = piece_weights(terms, known) * _repetition(terms, known)
    kept = np.sort(np.argsort(-weights, kind="stable")[:budget])
    whole = max(weights[kept].sum(), np.finfo(float).tiny)
    begins = np.cumsum([0, *(len(example.stored.codes) for example in examples)])
    shares = []
    for example, begin, end in zip(examples, begins, begins[1:], strict=False):
        mine = kept[(kept >= begin) & (kept < end)]
        if mine.size:
            theirs = [terms[place] for place in mine.tolist()]
            shares.append(_Share(example, mine - begin, theirs, weights[mine] / whole))
    return shares


def _repetition(terms: Sequence[Sequence[str]], rarity: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what a piece counts beside others of the same word ``(n,)``: (1 + ln f) / f of f pieces."""
    words = [max(those, key=rarity.__getitem__, default="") for those in terms]
    counts = Counter(words)
    often = np.array([counts[word] for word in words], dtype=np.float64)
    return (1 + np.log(often)) / often


def _terms(example: Example, analyzer: Analyzer) -> list[list[str]]:
    words = analyzer.tokens(example.found.encoded)
    return [[words[place].term for place in those] for those in tokens_of_pieces(example.stored.spans, words)]
