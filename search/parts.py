"""The two kinds of evidence, behind the ``Part`` seam of the fusion: nearness of meaning, and words."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from search.arrays import Ids, Vector
from search.encoders.base import Language
from search.fusion import FIRST_DEPTH, Listing
from search.languages import LanguageView
from search.views import LexicalView, Selection, VectorView


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
        ids, scores, exact = self.view.search(self.vector, k, pool.selection)
        complete = ids.size < k
        ceiling = -np.inf if complete else float(scores[-1]) - pool.handicap
        return Listing(ids, scores, exact, ceiling, complete)

    def scores(self, ids: Ids) -> Vector:
        """Return the cosines of given passages."""
        return self.view.scores(self.vector, ids)


@dataclass(frozen=True, slots=True)
class LexicalPart:
    """BM25 times a factor that is fixed for the query."""

    view: LexicalView
    terms: Sequence[str]
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
        """Return the weighted scores of given passages."""
        return self.view.scores(self.terms, ids) * np.float32(self.factor)

    def best(self) -> float:
        """Return the weighted score of the best passage, 0 where none holds a word of the query."""
        return float(self.top(FIRST_DEPTH).scores.max(initial=0.0))


@dataclass(frozen=True, slots=True)
class LanguagePart:
    """What passages in the question's own language give up, since they alone can share its words.

    It is what the best passage by words has, so that a passage in the question's language is held against
    that one, and a passage in the other language, which can have no words, is not held against any.
    """

    languages: LanguageView
    language: Language
    handicap: float

    def top(self, k: int) -> Listing:
        """Return nothing: this part only takes away, and ``DensePart`` counts it into its ceiling."""
        return Listing(np.empty(0, np.int64), np.empty(0, np.float32), True, 0.0, False)

    def scores(self, ids: Ids) -> Vector:
        """Return minus the handicap for passages in the question's language, else 0."""
        own = self.languages.among(ids, self.language)
        return np.where(own, np.float32(-self.handicap), np.float32(0))
