"""What the rest of the service may expect of a lexical index."""

from typing import Protocol

from search.arrays import Ids, Vector
from search.lexical.bm25 import Statistics, Terms


class LexicalIndex(Protocol):
    """An immutable picture of a collection's words as of one change; safe for several threads.

    A passage matches when it holds at least one of the query's terms.  Scores are BM25, higher is
    better, and a term that is asked for twice counts once, or as much as it weighs.
    """

    @property
    def marker(self) -> int:
        """Number of the last change of the collection that is in the index; 0 for none."""
        ...

    @property
    def count(self) -> int:
        """How many passages it holds."""
        ...

    def search(self, terms: Terms, k: int, allowed: Ids | None = None) -> tuple[Ids, Vector]:
        """Return ids and scores ``(m,)`` of the best matches, best first, ties by ascending id.

        Args:
            terms: of the query, by the analyzer that gave the passages'.
            k: how many, at least 1; fewer come back only where fewer match.
            allowed: ascending ids that may be returned, all by default; ids the index lacks are ignored.
        """
        ...

    def scores(self, terms: Terms, ids: Ids) -> Vector:
        """Return the scores ``(len(ids),)`` of distinct ``ids`` in that order; 0 where no term occurs."""
        ...

    def statistics(self, terms: Terms) -> Statistics:
        """Return what the index's own scores are made with; passages it has lost may still weigh."""
        ...
