"""Scores that do not depend on who computed them.

BLAS and FAISS add up an inner product in an order that depends on a row's neighbours, so the same
vector can differ in its last bit between a generation, its tail and a scan of the database.  Every
index therefore takes its candidates as it likes and has them scored here, one well-defined way.
"""

import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.vectors.base import Mask

SPARE = 16
"""Rows fetched beyond ``k`` so that a last-bit difference cannot push a row off the page."""


def exact_scores(query: Vector, rows: Matrix) -> Vector:
    """Return inner products ``(n,)`` of ``query (d,)`` with ``rows (n, d)``, the same in any company."""
    products = rows.astype(np.float64) * query.astype(np.float64)
    # Row by row, pairwise summation over a contiguous axis: the order does not depend on n.
    scores: Vector = np.add.reduce(products, axis=1).astype(np.float32)
    return scores


def best_first(ids: Ids, scores: Vector, k: int) -> tuple[Ids, Vector]:
    """Return the ``k`` best of ``ids`` and their scores: highest first, ties by ascending id."""
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]


def positions(index_ids: Ids, ids: Ids) -> Ids:
    """Return the row numbers of ``ids`` in ascending ``index_ids``; every id must be there."""
    rows = np.searchsorted(index_ids, ids)
    if rows.size and (rows.max() >= index_ids.size or not np.array_equal(index_ids[rows], ids)):
        raise KeyError("an id is not in the index")
    return rows.astype(np.int64)


def mask_of(index_ids: Ids, allowed: Ids) -> Mask:
    """Return the mask ``(n,)`` of ascending ``index_ids`` that are among ``allowed``; others are ignored."""
    mask = np.zeros(index_ids.size, dtype=bool)
    rows = np.searchsorted(index_ids, allowed)
    inside = rows < index_ids.size
    rows = rows[inside]
    mask[rows[index_ids[rows] == allowed[inside]]] = True
    return mask
