"""A collection's vectors and words as one search sees them: a cache, what came after it, what went.

A cache (vector generation, lexical index) covers the collection up to some change.  Passages that came
later are compared one by one, passages that went are masked inside the search, and so an answer is
always that of the rows as they are now, and never short.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.lexical.base import LexicalIndex
from search.lexical.bm25 import CountedPassages, Statistics, Terms, upper_bound, weighted
from search.vectors.base import Mask, VectorIndex
from search.vectors.exact_index import ExactIndex
from search.vectors.scoring import best_first, mask_of
from search.vectors.sparse_index import SparseIndex

NO_IDS: Ids = np.empty(0, dtype=np.int64)


def contained(ids: Ids, ascending: Ids) -> Mask:
    """Return which of ``ids (n,)`` are among ``ascending``, however many those are."""
    if not ascending.size:
        return np.zeros(ids.size, dtype=bool)
    places = np.searchsorted(ascending, ids)
    return np.asarray(ascending[np.minimum(places, ascending.size - 1)] == ids)


@dataclass(frozen=True, slots=True)
class Selection:
    """The passages a filter lets through, ascending; remembers what it is asked: filters are used again."""

    ids: Ids
    _masks: dict[int, tuple[Ids, Mask]] = field(default_factory=dict)
    _halves: dict[int, tuple[Ids, "Selection", "Selection"]] = field(default_factory=dict)

    def mask(self, index_ids: Ids) -> Mask:
        """Return the mask of this selection over the rows of an index."""
        known = self._masks.get(id(index_ids))
        if known is None or known[0] is not index_ids:
            known = self._masks[id(index_ids)] = (index_ids, mask_of(index_ids, self.ids))
        return known[1]

    def halves(self, among: Ids) -> tuple["Selection", "Selection"]:
        """Return the passages of this selection that are ``among`` these, and those that are not."""
        known = self._halves.get(id(among))
        if known is None or known[0] is not among:
            inside = np.isin(self.ids, among)
            known = self._halves[id(among)] = (
                among,
                Selection(self.ids[inside]),
                Selection(self.ids[~inside]),
            )
        return known[1:]


@dataclass(frozen=True, slots=True)
class VectorView:
    """Centred vectors: those of a generation (or of a scan of the database) and those that came later."""

    base: VectorIndex
    tail: ExactIndex | SparseIndex
    live: Mask | None
    """Rows of ``base`` whose passages are still there; None when all are."""
    generation: int | None

    def all_ids(self) -> Ids:
        """Return the ids of all passages that can be found, ascending."""
        base = self.base.ids if self.live is None else self.base.ids[self.live]
        return np.concatenate([base, self.tail.ids])

    def search(self, query: Vector, k: int, selection: Selection | None) -> tuple[Ids, Vector, bool]:
        """Return ids and scores of the ``k`` best passages, and whether none can have been missed."""
        masks: tuple[Mask | None, Mask | None] = (self.live, None)
        if selection is not None:
            inside = selection.mask(self.base.ids)
            masks = (inside if self.live is None else inside & self.live, selection.mask(self.tail.ids))
        ids, scores, exact = self.base.search(query, k, masks[0])
        late_ids, late_scores, _ = self.tail.search(query, k, masks[1])
        best = best_first(np.concatenate([ids, late_ids]), np.concatenate([scores, late_scores]), k)
        if self.base.zero_is_nothing:
            shared = best[1] > 0
            best = (best[0][shared], best[1][shared])
        return *best, exact

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores ``(len(ids),)`` of passages that are in this view."""
        late = np.isin(ids, self.tail.ids)
        scores = np.empty(ids.size, dtype=np.float32)
        scores[late] = self.tail.scores(query, ids[late])
        scores[~late] = self.base.scores(query, ids[~late])
        return scores

    def vectors(self, ids: Ids) -> Matrix:
        """Return the centred rows ``(len(ids), d)`` of passages that are in this view, in that order."""
        late = np.isin(ids, self.tail.ids)
        order = np.concatenate([np.flatnonzero(late), np.flatnonzero(~late)])
        rows = np.concatenate([self.tail.vectors(ids[late]), self.base.vectors(ids[~late])])
        return rows[np.argsort(order)]


@dataclass(frozen=True, slots=True)
class LexicalView:
    """Words: those of the lexical index and those of passages that came after its marker."""

    base: LexicalIndex
    tail_ids: Ids
    """Ascending."""
    tail_terms: Sequence[Sequence[str]]
    removed: Ids
    """Passages that the index still holds and the database does not, ascending."""
    _counted: dict[int, Counter[str]] = field(default_factory=dict)
    """Passage of the tail -> its terms counted."""
    _late: dict[tuple[tuple[str, float], ...], Vector] = field(default_factory=dict, init=False)
    """Query -> scores of the tail, for the last query: a search asks more than once."""

    def following(self, tail_ids: Ids, tail_terms: Sequence[Sequence[str]], removed: Ids) -> "LexicalView":
        """Return the view that replaces this one after a change; what was counted is not counted again."""
        kept = set(tail_ids.tolist())
        counted = {passage: counts for passage, counts in list(self._counted.items()) if passage in kept}
        return LexicalView(self.base, tail_ids, tail_terms, removed, counted)

    def statistics(self, terms: Terms) -> Statistics:
        """Return what BM25 needs to know; from the passages themselves while the index is empty."""
        if self.base.count:
            return self.base.statistics(terms)
        return self._tail().statistics(terms)

    def search(self, terms: Terms, k: int, selection: Selection | None) -> tuple[Ids, Vector]:
        """Return ids and BM25 scores of the ``k`` best passages that hold one of ``terms``."""
        if not terms:
            return NO_IDS, np.empty(0, dtype=np.float32)
        ids, scores = self._search_base(terms, k, selection)
        late = self._late_scores(terms)
        hit = late > 0
        if selection is not None:
            hit &= selection.mask(self.tail_ids)
        return best_first(np.concatenate([ids, self.tail_ids[hit]]), np.concatenate([scores, late[hit]]), k)

    def _search_base(self, terms: Terms, k: int, selection: Selection | None) -> tuple[Ids, Vector]:
        if not self.base.count:
            return NO_IDS, np.empty(0, dtype=np.float32)
        if selection is not None:
            return self.base.search(terms, k, selection.halves(self.removed)[1].ids)
        ids, scores = self.base.search(terms, k + self.removed.size, None)
        there = ~np.isin(ids, self.removed)
        return ids[there][:k], scores[there][:k]

    def scores(self, terms: Terms, ids: Ids) -> Vector:
        """Return the BM25 scores of given passages ``(len(ids),)``; 0 where no term occurs."""
        scores = np.zeros(ids.size, dtype=np.float32)
        if not terms:
            return scores
        late = np.isin(ids, self.tail_ids)
        if late.any():
            scores[late] = self._late_scores(terms)[np.searchsorted(self.tail_ids, ids[late])]
        if not late.all() and self.base.count:
            scores[~late] = self.base.scores(terms, ids[~late])
        return scores

    def upper_bound(self, terms: Terms) -> float:
        """Return the score that no passage can reach for ``terms``; 0 for no terms."""
        return upper_bound(terms, self.statistics(terms)) if terms else 0.0

    def _late_scores(self, terms: Terms) -> Vector:
        asked = tuple(weighted(terms).items())
        known = self._late.get(asked)
        if known is None:
            known = self._tail().scores(terms, self.statistics(terms))
            self._late.clear()
            self._late[asked] = known
        return known

    def _tail(self) -> CountedPassages:
        for passage, terms in zip(self.tail_ids.tolist(), self.tail_terms, strict=True):
            if passage not in self._counted:
                self._counted[passage] = Counter(terms)
        lengths = np.array([len(terms) for terms in self.tail_terms], dtype=np.int64)
        return CountedPassages([self._counted[passage] for passage in self.tail_ids.tolist()], lengths)
