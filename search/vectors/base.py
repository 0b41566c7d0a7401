"""What the rest of the service may expect of a vector index."""

from pathlib import Path
from typing import Protocol

from search.arrays import Ids, Matrix, Vector


class VectorIndex(Protocol):
    """Immutable: built once from ids and rows, then only searched.  Scores are inner products."""

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending; row ``i`` of the index belongs to ``ids[i]``."""
        ...

    @property
    def exact(self) -> bool:
        """Whether an unfiltered search is guaranteed to return the true nearest rows."""
        ...

    def search(self, query: Vector, k: int, allowed: Ids | None = None) -> tuple[Ids, Vector, bool]:
        """Return ids and scores of the ``k`` best rows, best first, ties by ascending id, and exactness.

        Args:
            query: ``(d,)``.
            k: how many; fewer come back only where fewer rows are allowed.
            allowed: ascending passage ids that may be returned; ids the index lacks are ignored.
        """
        ...

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids`` in that order; every id must be in the index."""
        ...

    def save(self, folder: Path) -> None:
        """Write the index's files into the existing ``folder``."""
        ...
