"""Smooth inverse frequency: how much each word says of the text it stands in.

``a / (a + p(w))``, p being the word's share of all words.  Source: Arora, Liang and Ma, A simple but
tough-to-beat baseline for sentence embeddings, ICLR 2017, section 3.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMOOTHING = 1e-3
"""a, as in the paper."""


def sif_weights(counts: ArrayLike, a: float = SMOOTHING) -> NDArray[np.float64]:
    """Return the weight of each word ``(v,)`` by how often it stands in the collection."""
    said = np.asarray(counts, dtype=np.float64)
    weights: NDArray[np.float64] = a / (a + said / said.sum())
    return weights
