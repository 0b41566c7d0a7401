"""Whether one system is better than another, or the questions only happened to fall that way.

Each question is answered by both.  If the systems were alike, either could have had either score: the signs
of the differences are drawn at random many times, and the p-value is how often chance alone gives a mean
difference at least as large.

Source: Smucker, Allan and Carterette, A comparison of statistical significance tests for information
retrieval evaluation, CIKM 2007, section 3.2 (the randomization test).
"""

from collections.abc import Mapping
from itertools import combinations

import numpy as np

DRAWS = 10_000
SEED = 20240501
_DRAWS_AT_ONCE = 500


SIGNIFICANT = 0.05
"""How likely a difference may be by chance alone and still count as one."""


def p_value(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the two-sided p-value of two systems' scores, query id -> score, of the same queries."""
    differences = np.array([one[query] - other[query] for query in one])
    observed = abs(differences.sum()) - 1e-9  # sums of the same numbers in another order count as equal
    generator = np.random.default_rng(SEED)
    as_far = 0
    for _ in range(DRAWS // _DRAWS_AT_ONCE):
        signs = generator.integers(0, 2, (_DRAWS_AT_ONCE, differences.size), dtype=np.int8) * 2 - 1
        as_far += int((np.abs(signs @ differences) >= observed).sum())
    return (1 + as_far) / (1 + DRAWS)


def p_values(values: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Return system -> other system -> p-value of their difference, of system -> query id -> score."""
    found: dict[str, dict[str, float]] = {system: {} for system in values}
    for one, other in combinations(values, 2):
        found[one][other] = found[other][one] = p_value(values[one], values[other])
    return found
