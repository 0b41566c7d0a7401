"""Side-wise centring: what makes the vectors of queries and passages, and of two languages, comparable.

A sentence encoder puts queries around one point and passages around another, and each language around
its own.  Raw cosines then mostly say "same side, same language": in a collection of two languages a
Chinese question hardly ever finds an English passage.  So a query loses the mean of queries of its
language and a passage the mean of passages before they are compared.

A query gives up all that its language's mean says of the language, and nearly all of the rest (``BELIEF``).

All means are made from texts that ship with the program, and are a fixed part of a prepared encoder; of a
collection only the share of each language counts.  A mean of the collection's own passages does worse beside
query means that are not its own: the subject that all of it shares then stays in the query alone.
"""

from collections.abc import Mapping

import numpy as np

from search.arrays import Matrix, Vector, unit_rows
from search.encoders.base import Language

BELIEF = 0.9
"""How much of a shipped query mean is believed to hold for the questions of a collection.

They are other questions about other things, so their mean is shrunk, as an estimate from elsewhere should be.
What tells one language from the other holds anywhere and is not.  nDCG@10 of dense over seven judged
collections, at a belief of 1, .9, .7 and .5: .6785 .6818 .6763 .6702.  States of single pieces do not mind.
"""
UNKNOWN_SHARE = 0.5
"""Share of Chinese that is assumed of a collection before its first generation fixes one."""


def centred(rows: Matrix, mean: Vector | None) -> Matrix:
    """Return ``(n, d)`` rows less ``mean (d,)``, of unit length; rows of zeros stay zeros.

    Without a mean the rows, which are of unit length, stay as they are.
    """
    if mean is None:
        return rows
    moved = np.where(np.any(rows, axis=1, keepdims=True), rows - mean, np.float32(0))
    return unit_rows(moved)


def query_mean(means: Mapping[Language, Vector], language: Language) -> Vector:
    """Return the query mean ``(d,)`` of a language; an encoder of one language has that one alone."""
    return means[language] if language in means else next(iter(means.values()))


def passage_mean(means: Mapping[Language, Vector], chinese_share: float) -> Vector | None:
    """Return the passage mean ``(d,)`` for a collection of which ``chinese_share`` (0 to 1) is Chinese.

    None of an encoder whose vectors are compared as they are.
    """
    if not means:
        return None
    if len(means) == 1:
        return mean_of_all(means)
    return np.asarray(chinese_share * means["zh"] + (1 - chinese_share) * means["en"], dtype=np.float32)


def mean_of_all(means: Mapping[Language, Vector]) -> Vector:
    """Return the mean ``(d,)`` for a query whose language is unknown."""
    mean: Vector = np.mean(list(means.values()), axis=0, dtype=np.float32)
    return mean


def query_centre(means: Mapping[Language, Vector], spoken: Language | None) -> Vector | None:
    """Return what the vector of a query is to lose ``(d,)``; ``spoken`` is None where that is unknown.

    None of an encoder whose vectors are compared as they are.
    """
    if not means:
        return None
    mean = mean_of_all(means) if spoken is None else query_mean(means, spoken)
    centre: Vector = mean - np.float32(1 - BELIEF) * _off_axis(mean, means)
    return centre


def without_language(rows: Matrix, passage_means: Mapping[Language, Vector]) -> Matrix:
    """Return unit rows ``(n, d)`` less what they have of the direction from one language to the other.

    Their products with passages then say nothing of their language: of passages alone, which lack a side that
    centring could take the difference from, the nearest would nearly all be of their own.
    """
    return rows if len(passage_means) < 2 else unit_rows(_off_axis(rows, passage_means))


def _off_axis(rows: Matrix, means: Mapping[Language, Vector]) -> Matrix:
    """Return a vector, or rows of them, less what it has of the direction from one language to the other."""
    if len(means) == 1:
        return rows
    axis = unit_rows((means["zh"] - means["en"])[None, :])[0]
    apart: Matrix = rows - (rows @ axis)[..., None] * axis
    return apart
