"""FAISS behind the ``VectorIndex`` seam: rows in a flat file, or in an HNSW graph.

Both are files written once and then mapped, beside a coarse copy that is scanned in their stead.  Nothing
is ever deleted from them; what may not be returned is masked inside the search, so a page is never short.
"""

from collections.abc import Callable, Iterable
from os import cpu_count
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Matrix, Vector
from search.vectors.base import Mask
from search.vectors.coarse import CoarseCopy, write_coarse
from search.vectors.faiss_files import asked, index_header, open_mapped, stored_rows
from search.vectors.scoring import SPARE, best_first, exact_scores, positions

HNSW_NEIGHBOURS = 32
HNSW_BUILD_EFFORT = 120
HNSW_SEARCH_EFFORT = 160
WALK_COST = 100
"""Rows that are compared one by one in the time that a walk takes for each row it returns."""


class FlatFile:
    """An exact index in a mapped FAISS file."""

    zero_is_nothing = False

    def __init__(self, path: Path, ids: Ids, dimension: int) -> None:
        """Map the files that were written to ``path``; raise ``DamagedArtifact`` unless they fit the ids."""
        self._index = open_mapped(path, faiss.IndexFlat, ids.size, dimension)
        self._ids = ids
        self._rows = stored_rows(self._index)
        self._coarse = CoarseCopy(path, self._rows)

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending."""
        return self._ids

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Compare every allowed row; always exact."""
        rows, scores = self._coarse.best(query, k, mask)
        return *best_first(self._ids[rows], scores, k), True

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores of ``ids``."""
        return exact_scores(query, self.vectors(ids))

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return np.array(self._rows[positions(self._ids, ids)])


class GraphFile:
    """An approximate HNSW index in a mapped FAISS file, exact where few rows are allowed.

    Source: Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, arXiv:1603.09320.
    """

    zero_is_nothing = False

    def __init__(self, path: Path, ids: Ids, dimension: int) -> None:
        """Map the files that were written to ``path``; raise ``DamagedArtifact`` unless they fit the ids."""
        self._index = open_mapped(path, faiss.IndexHNSWFlat, ids.size, dimension)
        self._ids = ids
        self._rows = stored_rows(self._index)
        self._coarse = CoarseCopy(path, self._rows)

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending."""
        return self._ids

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Walk the graph, or compare all allowed rows where that is cheaper or the walk falls short.

        The walk goes where the query leads, mask or no mask, and its rows are sifted afterwards: a walk
        that may only stop at allowed rows loses its way where none of them lie near the query.
        """
        allowed = self._ids.size if mask is None else int(np.count_nonzero(mask))
        wanted = (k + SPARE) * self._ids.size // max(allowed, 1)
        walked = 0 < wanted * WALK_COST <= allowed
        rows = self._walk(query, wanted, mask) if walked else np.empty(0, np.int64)
        walked = walked and rows.size >= min(k, allowed)
        if walked:
            scores = exact_scores(query, self._rows[rows])
        else:
            rows, scores = self._coarse.best(query, k, mask)
        return *best_first(self._ids[rows], scores, k), not walked

    def _walk(self, query: Vector, wanted: int, mask: Mask | None) -> Ids:
        effort = faiss.SearchParametersHNSW(efSearch=max(HNSW_SEARCH_EFFORT, 2 * wanted))  # type: ignore[attr-defined]
        rows = asked(self._index, query, wanted, None, effort)[1]
        return rows if mask is None else rows[mask[rows]]

    def scores(self, query: Vector, ids: Ids) -> Vector:
        """Return the scores of ``ids``."""
        return exact_scores(query, self.vectors(ids))

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return np.array(self._rows[positions(self._ids, ids)])


def write_flat(
    path: Path, dimension: int, count: int, blocks: Iterable[Matrix], groups: Callable[[], NDArray[Any]]
) -> None:
    """Write ``count`` rows as a FAISS flat index, and their coarse copy, without ever holding them all.

    FAISS itself writes only what is whole in memory; a test holds the file against ``faiss.write_index``.

    Args:
        path: of the file to be; the copy goes beside it.
        dimension: d.
        count: n.
        blocks: all rows, some ``(m, d)`` at a time.
        groups: called when all blocks have been written; see ``write_coarse``.
    """
    written = 0
    header = index_header(faiss.IndexFlatIP(dimension), count, count * dimension)
    with path.open("wb") as stream:
        stream.write(header)
        for block in blocks:
            stream.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
            written += len(block)
    if written != count:
        raise ValueError(f"{written} rows were given where {count} were announced")
    write_coarse(path, lambda: _mapped(path, len(header), count, dimension), groups())


def write_graph(
    path: Path, dimension: int, blocks: Iterable[Matrix], groups: Callable[[], NDArray[Any]]
) -> None:
    """Build an HNSW graph over the rows and write it and their coarse copy; see ``write_flat``.

    It holds rows and graph in memory: 1.8 KB a row.
    """
    faiss.omp_set_num_threads(cpu_count() or 1)
    index = faiss.IndexHNSWFlat(dimension, HNSW_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = HNSW_BUILD_EFFORT
    for block in blocks:
        index.add(block)
    faiss.write_index(index, str(path))
    write_coarse(path, lambda: stored_rows(index), groups())


def _mapped(path: Path, offset: int, count: int, dimension: int) -> Matrix:
    if count == 0:
        return np.empty((0, dimension), np.float32)  # nothing cannot be mapped
    return np.memmap(path, "<f4", "r", offset, (count, dimension))
