"""Rows of vectors as an index holds them: dense, or without the zeros that most of a sparse one are."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array, vstack

from search.arrays import Ids, Rows
from search.vectors.exact_index import ExactIndex
from search.vectors.sparse_index import SparseIndex


def no_rows(dimension: int, sparse: bool) -> Rows:
    """Return no rows of vectors ``(0, dimension)``."""
    nothing = np.empty((0, dimension), dtype=np.float32)
    return csr_array(nothing) if sparse else nothing


def stacked(blocks: Sequence[Rows]) -> Rows:
    """Return rows of one kind one below another, at least one block of them."""
    if isinstance(blocks[0], np.ndarray):
        return np.concatenate(blocks)
    return csr_array(vstack(blocks, format="csr", dtype=np.float32))


def index_over(ids: Ids, rows: Rows) -> ExactIndex | SparseIndex:
    """Return an index in memory of rows under ascending ids ``(n,)``."""
    return ExactIndex(ids, rows) if isinstance(rows, np.ndarray) else SparseIndex(ids, rows)
