"""The two kinds of evidence, behind the ``Part`` seam of the fusion: nearness of meaning, and words."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Vector
from search.encoders.base import Language
from search.fusion import Listing
from search.languages import LanguageView
from search.lexical.bm25 import Terms
from search.vectors.base import Mask
from search.views import LexicalView, Selection, VectorView

Scores = NDArray[np.floating[Any]]

NOTHING_LISTED = Listing(np.empty(0, np.int64), np.empty(0, np.float32), True, 0.0, False)
LEAD_PASSAGES = 20
"""How many of a language's best passages say how near that language lies to a question by itself."""
LEAD_DOUBT = 100
"""Passages of the rarer language with which half of a lead is believed: of few, the best are bad ones."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Passages that are listed apart, because another part gives all of them a handicap."""

    selection: Selection | None
    handicap: float = 0.0


@dataclass(frozen=True, slots=True)
class DensePart:
    """Cosine of the centred vectors."""

    view: VectorView
    vector: Vector
    pools: Sequence[Pool]
    _searched: dict[tuple[int, int], tuple[Ids, Vector, bool]] = field(default_factory=dict)
    """Selection (by identity) and depth -> what was found: a question reads the vectors once."""

    def held_back(self, handicap: float) -> "DensePart":
        """Return this part, of whose first pool all passages get ``handicap`` from another part."""
        return replace(self, pools=[replace(self.pools[0], handicap=handicap), *self.pools[1:]])

    def lead(self, depth: int) -> float:
        """Return by how much the first pool is nearer to the question than the second, as pools.

        It is the difference between the mean scores of their best passages, shrunk where one is small.
        """
        first, second = (self._search(pool, depth)[1][:LEAD_PASSAGES] for pool in self.pools)
        if not (first.size and second.size):
            return 0.0
        fewest = min(pool.selection.ids.size for pool in self.pools if pool.selection)
        return believed_lead(first, second, fewest)

    def top(self, k: int) -> Listing:
        """Return the ``k`` nearest passages of every pool; all passages have a vector.

        The ceiling counts the handicaps in, so that the sum of all ceilings is as low as it can be.
        """
        listings = [self._listing(pool, k) for pool in self.pools]
        return Listing(
            np.concatenate([listing.ids for listing in listings]),
            np.concatenate([listing.scores for listing in listings]),
            all(listing.exact for listing in listings),
            max(listing.ceiling for listing in listings),
            all(listing.complete for listing in listings),
        )

    def _listing(self, pool: Pool, k: int) -> Listing:
        ids, scores, exact = self._search(pool, k)
        complete = ids.size < k
        ceiling = -np.inf if complete else float(scores[-1]) - pool.handicap
        return Listing(ids, scores, exact, ceiling, complete)

    def _search(self, pool: Pool, k: int) -> tuple[Ids, Vector, bool]:
        if not self.vector.any():  # nothing is known of the question
            return NOTHING_LISTED.ids, NOTHING_LISTED.scores, True
        asked = (id(pool.selection), k)
        if asked not in self._searched:
            self._searched[asked] = self.view.search(self.vector, k, pool.selection)
        return self._searched[asked]

    def scores(self, ids: Ids) -> Vector:
        """Return the cosines of given passages; lists that were made tell those they show."""
        scores, unknown = np.empty(ids.size, dtype=np.float32), np.ones(ids.size, dtype=bool)
        for shown, known, _ in self._searched.values():
            unknown &= ~told(scores, ids, shown, known)
        scores[unknown] = self.view.scores(self.vector, ids[unknown])
        return scores


@dataclass(frozen=True, slots=True)
class LexicalPart:
    """BM25 times a factor that is fixed for the query."""

    view: LexicalView
    terms: Terms
    selection: Selection | None
    factor: float
    alone: bool
    """Whether only passages that hold a word of the query can be an answer."""
    _listed: dict[int, Listing] = field(default_factory=dict)

    def top(self, k: int) -> Listing:
        """Return the ``k`` best passages by words."""
        if k not in self._listed:
            self._listed[k] = self._top(k)
        return self._listed[k]

    def _top(self, k: int) -> Listing:
        ids, scores = self.view.search(self.terms, k, self.selection)
        scores = scores * np.float32(self.factor)
        ended = ids.size < k
        return Listing(ids, scores, True, 0.0 if ended else float(scores[-1]), self.alone and ended)

    def scores(self, ids: Ids) -> Vector:
        """Return the weighted scores of given passages; a list that was made tells those it shows.

        A list that ended before its depth shows all passages with a word of the query.
        """
        depth = max(self._listed, default=0)
        listed = self._listed.get(depth, NOTHING_LISTED)
        scores = np.zeros(ids.size, dtype=np.float32)
        unknown = ~told(scores, ids, listed.ids, listed.scores)
        if listed.ids.size == depth and unknown.any():
            scores[unknown] = self.view.scores(self.terms, ids[unknown]) * np.float32(self.factor)
        return scores

    def best(self, depth: int) -> float:
        """Return the weighted score of the best passage, 0 where none holds a word of the query."""
        return float(self.top(depth).scores.max(initial=0.0))


def believed_lead(first: Scores, second: Scores, fewest: int) -> float:
    """Return by how much the best of one language are ahead of the best of the other, as far as believed.

    Args:
        first: scores of some best passages of the one, at least one of them.
        second: of the other.
        fewest: how many passages the rarer language has in all.
    """
    return float(first.mean() - second.mean()) * fewest / (fewest + LEAD_DOUBT)


def told(scores: Vector, ids: Ids, shown: Ids, known: Vector) -> Mask:
    """Put the scores that are ``known`` of passages ``shown`` at their places among ``ids``; return which."""
    places = places_among(ids, shown)
    inside = places >= 0
    scores[inside] = known[places[inside]]
    return inside


def places_among(ids: Ids, shown: Ids) -> Ids:
    """Return for each of ``ids`` its place in ``shown``, -1 where it is not there."""
    if not shown.size:
        return np.full(ids.size, -1, dtype=np.int64)
    order = np.argsort(shown)
    places = order[np.minimum(np.searchsorted(shown, ids, sorter=order), shown.size - 1)]
    return np.where(shown[places] == ids, places, -1)


@dataclass(frozen=True, slots=True)
class LanguagePart:
    """What passages in the question's own language give up, to be compared with those of the other.

    They alone can share words with the question, and most often they lie nearer to it by their language
    alone.  So each is held against the best of its own: it gives up what the best passage by words has, and
    what its language is ahead by meaning.
    """

    languages: LanguageView
    language: Language
    handicap: float

    def top(self, k: int) -> Listing:
        """Return nothing: this part only takes away, and ``DensePart`` counts it into its ceiling."""
        return NOTHING_LISTED

    def scores(self, ids: Ids) -> Vector:
        """Return minus the handicap for passages in the question's language, else 0."""
        own = self.languages.among(ids, self.language)
        return np.where(own, np.float32(-self.handicap), np.float32(0))
