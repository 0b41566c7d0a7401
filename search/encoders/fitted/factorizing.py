"""Truncated singular value decomposition of a sparse matrix; only what fits imports this.

Halko, Martinsson and Tropp, SIAM Review 53(2), 2011, algorithm 4.4, as in scikit-learn's ``TruncatedSVD``.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

NEGLIGIBLE = 1e-5
"""Share of the greatest singular value below which a direction is rounding."""


def factorized(rows: csr_array, dimension: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the singular values ``(d,)`` of ``rows`` and the right singular vectors ``(d, columns)``.

    ``d`` is at most ``dimension`` and at most the rank; the sign of each vector is fixed by its largest part.
    """
    with threadpool_limits(limits=1):
        _, values, vectors = randomized_svd(
            rows, min(dimension, *rows.shape), n_iter=5, random_state=seed, flip_sign=False
        )
    kept = values > NEGLIGIBLE * values[0]
    values, vectors = values[kept], vectors[kept]
    largest = vectors[np.arange(len(vectors)), np.argmax(np.abs(vectors), axis=1)]
    return values.astype(np.float32), (vectors * np.sign(largest)[:, None]).astype(np.float32)
