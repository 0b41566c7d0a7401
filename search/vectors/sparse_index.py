"""Vectors most of whose numbers are zero: every row is compared, and only what is not zero is held.

The rows are those of counted words, so none of their numbers is negative, and a score of zero says that
row and query have nothing in common.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array, vstack

from search.arrays import Ids, Matrix, Vector
from search.artifacts import DamagedArtifact
from search.vectors.base import Mask
from search.vectors.scoring import best_first, positions

FILES = ("starts", "columns", "values")
"""Where each row begins, and column and value of each number that is not zero; NumPy files."""


class SparseIndex:
    """Rows ``(n, d)`` under ascending ids ``(n,)``, in memory or mapped."""

    zero_is_nothing = True

    def __init__(self, ids: Ids, rows: csr_array) -> None:
        self._ids = ids
        self._rows = rows

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending."""
        return self._ids

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Compare every row; always exact."""
        scores = self._scores(self._rows, query)
        allowed = np.arange(self._ids.size) if mask is None else np.flatnonzero(mask)
        found, best = best_first(self._ids[allowed], scores[allowed], k)
        return found, best, True

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores of ``ids``."""
        return self._scores(self.take(ids), query)

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``, with their zeros."""
        rows: Matrix = self.take(ids).toarray()
        return rows

    def take(self, ids: Ids) -> csr_array:
        """Return the rows of ``ids``."""
        return csr_array(self._rows[positions(self._ids, ids)])

    @staticmethod
    def _scores(rows: csr_array, query: Vector) -> Vector:
        # Each row is summed by itself, in the order of its columns: a score is the same in any company.
        scores: Vector = (rows @ query.astype(np.float64)).astype(np.float32)
        return scores


def write_sparse(folder: Path, blocks: Iterable[csr_array]) -> None:
    """Write the rows of ``blocks`` into ``folder``, at least one block of them."""
    rows = csr_array(vstack(list(blocks), format="csr", dtype=np.float32))
    arrays = (rows.indptr.astype("<i8"), rows.indices.astype("<i4"), rows.data.astype("<f4"))
    for name, array in zip(FILES, arrays, strict=True):
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def open_sparse(folder: Path, ids: Ids, dimension: int) -> SparseIndex:
    """Map what ``write_sparse`` wrote; raise ``DamagedArtifact`` unless it fits the ids."""
    try:
        starts, columns, values = (
            np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in FILES
        )
        rows = csr_array((values, columns, starts), shape=(ids.size, dimension))
        rows.check_format(full_check=True)
    except (OSError, EOFError, ValueError) as error:
        raise DamagedArtifact("the sparse rows cannot be read") from error
    return SparseIndex(ids, rows)
