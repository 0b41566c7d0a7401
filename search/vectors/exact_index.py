"""The plain, obvious index: every row is compared.  The judge of all others.

It serves what no generation covers yet, and everything while a generation is damaged.
"""

import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.vectors.base import Mask
from search.vectors.scoring import best_first, exact_scores, may_be_best, positions


class ExactIndex:
    """Rows in memory ``(n, d)`` under ascending ids ``(n,)``."""

    zero_is_nothing = False

    def __init__(self, ids: Ids, rows: Matrix) -> None:
        self._ids = ids
        self._rows = rows

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending."""
        return self._ids

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Compare every allowed row; always exact."""
        rows = np.arange(self._ids.size) if mask is None else np.flatnonzero(mask)
        if rows.size > k:
            # vecdot keeps to one thread: ten times the rows of a tail are still compared in milliseconds,
            # and BLAS on a busy machine waits for its slowest thread.
            rough = np.vecdot(self._rows if mask is None else self._rows[rows], query)
            rows = rows[may_be_best(rough, k, query.size)]
        found, scores = best_first(self._ids[rows], exact_scores(query, self._rows[rows]), k)
        return found, scores, True

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores of ``ids``."""
        return exact_scores(query, self.vectors(ids))

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return self._rows[positions(self._ids, ids)]

    def take(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return self.vectors(ids)
