"""Scores that do not depend on who computed them.

BLAS and FAISS add up an inner product in an order that depends on a row's neighbours, so the same
vector can differ in its last bit between a generation, its tail and a scan of the database.  Every
index therefore takes its candidates as it likes and has them scored here, one well-defined way.
"""

import numpy as np

from search.arrays import Ids, Matrix, Vector
from search.vectors.base import Mask

SPARE = 16
"""Rows fetched beyond ``k``, so that all that may belong on the page mostly come at once."""

_BLOCK_ROWS = 4096
_ROUNDING = 2.0**-24
"""Largest relative error of one operation in single precision."""


def slack(dimension: int) -> float:
    """Return how far apart two rough scores must be for the exact ones to be in the same order.

    A rough score is an inner product of unit rows in single precision, summed in any order: off by at
    most d u / (1 - d u).  Two of them, and the rounding of the exact scores, make up the slack.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1.
    """
    return (2 * dimension + 4) * _ROUNDING


def exact_scores(query: Vector, rows: Matrix) -> Vector:
    """Return inner products ``(n,)`` of ``query (d,)`` with ``rows (n, d)``, the same in any company."""
    scores = np.empty(len(rows), dtype=np.float32)
    precise = query.astype(np.float64)
    for start in range(0, len(rows), _BLOCK_ROWS):  # double precision of all rows could be too much to hold
        block = slice(start, start + _BLOCK_ROWS)
        products = rows[block].astype(np.float64, order="C") * precise
        # Row by row, pairwise summation over a contiguous axis: the order does not depend on n.
        scores[block] = np.add.reduce(products, axis=1)
    return scores


def may_be_best(rough: Vector, k: int, dimension: int) -> Ids:
    """Return places of ``rough`` scores ``(n,)`` among which those of the ``k`` best rows surely are."""
    if rough.size <= k:
        return np.arange(rough.size)
    last = np.partition(rough, -k)[-k]
    return np.flatnonzero(rough >= last - slack(dimension))


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
