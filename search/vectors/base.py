"""What the rest of the service may expect of a vector index."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Matrix, Vector

Mask = NDArray[np.bool_]
"""One flag a row of an index ``(n,)``: may it be returned?"""


class VectorIndex(Protocol):
    """Immutable: built once from ids and rows, then only searched.  A score is an inner product."""

    @property
    def zero_is_nothing(self) -> bool:
        """Whether a score of zero says that row and query have nothing in common."""
        ...

    @property
    def ids(self) -> Ids:
        """Passage ids ``(n,)``, ascending; row ``i`` belongs to ``ids[i]``."""
        ...

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Return the ids and scores of the best rows, best first, ties by ascending id.

        Args:
            query: ``(d,)``.
            k: how many, at least 1; fewer come back only where fewer rows are allowed.
            mask: which rows may be returned; all by default.

        Returns:
            Ids ``(m,)``, scores ``(m,)`` and whether no better row can have been missed.
        """
        ...

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores ``(len(ids),)`` of ``ids``; all must be in the index."""
        ...

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows ``(len(ids), d)`` of ``ids`` in that order; all must be in the index."""
        ...
