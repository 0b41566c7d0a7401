"""Clusters of vectors: spherical k-means by FAISS, which moves centres about until none gains by it.

Source: Dhillon and Modha, Concept decompositions for large sparse text data using clustering, Machine
Learning 42, 2001, section 3.
"""

import faiss
import numpy as np

from search.arrays import Matrix

ROUNDS = 20
LEARNED_FROM = 1000
"""Rows for each cluster that centres are learned from; more move them no more."""


def centres_of(rows: Matrix, count: int, seed: int) -> Matrix:
    """Return the centres ``(count or fewer, d)`` of clusters of unit ``rows (n, d)``; at most ``n`` of them.

    The same rows and seed give the same centres.
    """
    count = min(count, rows.shape[0])
    if not count:
        return np.empty((0, rows.shape[1]), dtype=np.float32)
    learned = faiss.Kmeans(
        rows.shape[1],
        count,
        niter=ROUNDS,
        seed=seed,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=LEARNED_FROM,
    )
    learned.train(np.ascontiguousarray(rows))
    return np.asarray(learned.centroids, dtype=np.float32)
