"""FAISS behind the ``VectorIndex`` seam: a flat file that is scanned, or an HNSW graph.

Both are files written once and then mapped: ``IO_FLAG_MMAP_IFC`` keeps a flat index out of a process's
own memory, where ``IO_FLAG_MMAP`` would copy it.  Nothing is ever deleted from them; what may not be
returned is masked inside the search, so a page is never short.
"""

from collections.abc import Iterable
from os import cpu_count
from pathlib import Path
from threading import local
from typing import Any, BinaryIO

import faiss
import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.artifacts import DamagedArtifact
from search.vectors.base import Mask
from search.vectors.scoring import SPARE, best_first, exact_scores, may_be_best, positions, slack

HNSW_NEIGHBOURS = 32
HNSW_BUILD_EFFORT = 120
HNSW_SEARCH_EFFORT = 160
WALK_COST = 100
"""Rows that are compared one by one in the time that a walk takes for each row it returns."""
SCANNED_SHARE = 0.25
"""Share of allowed rows from which on comparing all is faster than looking each row up in a mask."""

_FLAT_PREFIX = b"IxFI"


class FlatFile:
    """An exact index in a mapped FAISS file."""

    def __init__(self, path: Path, ids: Ids, dimension: int) -> None:
        """Map the file at ``path``; raise ``DamagedArtifact`` unless it has a row for each id."""
        self._index = open_mapped(path, faiss.IndexFlat, ids.size, dimension)
        self._scan = _Scan(self._index)
        self._ids = ids
        self._rows = _stored_rows(self._index)

    @property
    def ids(self) -> Ids:
        """Passage ids, ascending."""
        return self._ids

    def search(self, query: Vector, k: int, mask: Mask | None = None) -> tuple[Ids, Vector, bool]:
        """Compare every allowed row; always exact."""
        rows = self._scan.may_be_best(query, k, mask)
        found, scores = best_first(self._ids[rows], exact_scores(query, self._rows[rows]), k)
        return found, scores, True

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return np.array(self._rows[positions(self._ids, ids)])


class GraphFile:
    """An approximate HNSW index in a mapped FAISS file, exact where few rows are allowed.

    Source: Malkov and Yashunin, Efficient and robust approximate nearest neighbor search using
    Hierarchical Navigable Small World graphs, arXiv:1603.09320.
    """

    def __init__(self, path: Path, ids: Ids, dimension: int) -> None:
        """Map the file at ``path``; raise ``DamagedArtifact`` unless it has a row for each id."""
        self._index = open_mapped(path, faiss.IndexHNSWFlat, ids.size, dimension)
        flat = faiss.downcast_index(self._index.storage)
        self._scan = _Scan(flat)
        self._ids = ids
        self._rows = _stored_rows(flat)

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
        if rows.size < min(k, allowed):
            walked, rows = False, self._scan.may_be_best(query, k, mask)
        found, scores = best_first(self._ids[rows], exact_scores(query, self._rows[rows]), k)
        return found, scores, not walked

    def _walk(self, query: Vector, wanted: int, mask: Mask | None) -> Ids:
        effort = faiss.SearchParametersHNSW(efSearch=max(HNSW_SEARCH_EFFORT, 2 * wanted))  # type: ignore[attr-defined]
        rows = _ask(self._index, query, wanted, None, effort)[1]
        return rows if mask is None else rows[mask[rows]]

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows of ``ids``."""
        return np.array(self._rows[positions(self._ids, ids)])


class _Scan:
    """Compares a query with all rows of a flat index, and remembers each thread's last query.

    One search asks for several lists by the same query: for each language, and longer ones.  What takes
    time is reading the rows, and a list more then costs hardly anything.
    """

    def __init__(self, flat: Any) -> None:
        self._flat = flat
        self._last = local()

    def may_be_best(self, query: Vector, k: int, mask: Mask | None) -> Ids:
        """Return numbers of rows among which the ``k`` best of all allowed rows surely are."""
        if mask is None:
            return may_be_best(self._rough(query), k, query.size)
        allowed = np.flatnonzero(mask)
        if allowed.size < SCANNED_SHARE * mask.size and not self._knows(query):
            return self._of_few(query, k, mask, allowed.size)
        return allowed[may_be_best(self._rough(query)[allowed], k, query.size)]

    def _knows(self, query: Vector) -> bool:
        return getattr(self._last, "query", None) is query

    def _rough(self, query: Vector) -> Vector:
        """Return the inner products with all rows, in single precision; this thread does all the work."""
        if not self._knows(query):
            rough = np.empty(self._flat.ntotal, dtype=np.float32)
            given = np.ascontiguousarray(query, dtype=np.float32)
            if rough.size:
                faiss.fvec_inner_products_ny(  # type: ignore[attr-defined]
                    faiss.swig_ptr(rough), faiss.swig_ptr(given), self._flat.get_xb(), given.size, rough.size
                )
            self._last.query, self._last.rough = query, rough
        scores: Vector = self._last.rough
        return scores

    def _of_few(self, query: Vector, k: int, mask: Mask, allowed: int) -> Ids:
        """Look at the allowed rows alone."""
        wanted = k + SPARE
        while True:
            rough, rows = _ask(self._flat, query, min(wanted, allowed), mask, None)
            if rows.size >= allowed or rough[-1] < rough[k - 1] - slack(query.size):
                return rows
            wanted *= 4  # what may be a tie reaches over the edge: all of it must be seen


def _ask(index: Any, query: Vector, k: int, mask: Mask | None, parameters: Any) -> tuple[Vector, Ids]:
    """Return FAISS's scores and row numbers, best first, without its -1 fillers."""
    if k < 1:
        return np.empty(0, np.float32), np.empty(0, np.int64)
    # Of this thread alone.  Searches run side by side; one that shares its rows out waits for the slowest
    # of its threads, and on a busy machine that takes five times as long.
    faiss.omp_set_num_threads(1)
    if mask is not None:
        selector = faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))  # type: ignore[call-arg,arg-type]
        parameters = parameters or faiss.SearchParameters()
        parameters.sel = selector
    scores, rows = index.search(query[None, :], k, params=parameters)
    real = rows[0] >= 0
    return scores[0][real], rows[0][real]


def _stored_rows(flat: Any) -> Matrix:
    """Return the rows of a flat index ``(n, d)`` as a view of its (mapped) memory, not a copy."""
    if flat.ntotal == 0:
        return np.empty((0, flat.d), np.float32)
    view: Matrix = faiss.rev_swig_ptr(flat.get_xb(), flat.ntotal * flat.d).reshape(flat.ntotal, flat.d)
    return view


def open_mapped(path: Path, kind: type[Any], count: int, dimension: int) -> Any:
    """Map the FAISS file at ``path``, whose checksum has been compared.

    FAISS believes what it maps: a file cut short within its header can take the process down here.

    Raises:
        DamagedArtifact: FAISS cannot read it, or it is not an inner-product index of this kind and size.
    """
    try:
        # Python already has the right class; downcast_index would give one that does not own its memory.
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise DamagedArtifact(f"{path.name} is no readable FAISS file") from error
    found = (index.ntotal, index.d, index.metric_type)
    if not isinstance(index, kind) or found != (count, dimension, faiss.METRIC_INNER_PRODUCT):
        raise DamagedArtifact(f"{path.name} does not hold {count} inner-product rows of {dimension} numbers")
    return index


def write_flat(path: Path, dimension: int, count: int, blocks: Iterable[Matrix]) -> None:
    """Write ``count`` rows as a FAISS flat index without ever holding them all.

    FAISS itself writes only what is whole in memory.  The header is FAISS's own, taken from an empty
    index and given the count; a test holds the file byte for byte against ``faiss.write_index``.
    """
    written = 0
    with path.open("wb") as stream:
        stream.write(_flat_header(dimension, count))
        for block in blocks:
            written += _write_block(stream, block)
    if written != count:
        raise ValueError(f"{written} rows were given where {count} were announced")


def _flat_header(dimension: int, count: int) -> bytes:
    empty = faiss.serialize_index(faiss.IndexFlatIP(dimension)).tobytes()
    if not empty.startswith(_FLAT_PREFIX):
        raise ValueError("this FAISS writes flat indexes in a way that is not known here")
    rows_at = len(_FLAT_PREFIX) + 4  # after the name comes the dimension, int32
    return (
        empty[:rows_at]
        + count.to_bytes(8, "little")
        + empty[rows_at + 8 : -8]
        + (count * dimension).to_bytes(8, "little")  # length of the float vector that follows
    )


def _write_block(stream: BinaryIO, block: Matrix) -> int:
    stream.write(np.ascontiguousarray(block, dtype="<f4").tobytes())
    return len(block)


def write_graph(path: Path, dimension: int, blocks: Iterable[Matrix]) -> None:
    """Build an HNSW graph over the rows and write it; holds rows and graph in memory (1.8 KB a row)."""
    faiss.omp_set_num_threads(cpu_count() or 1)
    index = faiss.IndexHNSWFlat(dimension, HNSW_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = HNSW_BUILD_EFFORT
    for block in blocks:
        index.add(block)
    faiss.write_index(index, str(path))
