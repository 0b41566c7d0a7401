"""Side-wise centring: what makes the vectors of queries and passages, and of two languages, comparable.

A sentence encoder puts queries around one point and passages around another, and each language around
its own.  Raw cosines then mostly say "same side, same language": in a collection of two languages a
Chinese question hardly ever finds an English passage.  So a query loses the mean of queries of its
language and a passage the mean of passages before they are compared.

The query means are made from questions that ship with the program; a passage mean belongs to a
generation and never changes under it.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from search.arrays import Matrix, Vector, unit_rows
from search.encoders.base import Language

PRIOR_PASSAGES = 64
"""How many passages the shipped mean counts for beside a collection's own: a handful has no mean."""


def centred(rows: Matrix, mean: Vector) -> Matrix:
    """Return ``(n, d)`` rows less ``mean (d,)``, of unit length; rows of zeros stay zeros."""
    moved = np.where(np.any(rows, axis=1, keepdims=True), rows - mean, np.float32(0))
    return unit_rows(moved)


def passage_mean(total: NDArray[np.float64], count: int, prior: Vector) -> Vector:
    """Return the mean of a collection's raw passage vectors, drawn towards the shipped one.

    Args:
        total: ``(d,)``, sum over the collection's passages.
        count: how many they are.
        prior: ``(d,)``, the encoder's shipped passage mean.
    """
    mean = (total + PRIOR_PASSAGES * prior.astype(np.float64)) / (count + PRIOR_PASSAGES)
    return mean.astype(np.float32)


def query_mean(means: Mapping[Language, Vector], han_share: float) -> Vector:
    """Return the query mean ``(d,)`` for a text of which ``han_share`` (0 to 1) is Chinese script.

    An encoder of one language has that language's mean alone.
    """
    if "zh" not in means:
        return means["en"]
    if "en" not in means:
        return means["zh"]
    return np.asarray(han_share * means["zh"] + (1 - han_share) * means["en"], dtype=np.float32)
