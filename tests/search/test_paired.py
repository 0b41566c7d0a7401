"""The randomisation test against the exact distribution over all signs."""

from itertools import product

import numpy as np
import pytest

from search.evaluation.paired import p_value


def exact(differences):
    observed = abs(sum(differences))
    sums = [abs(np.dot(signs, differences)) for signs in product((-1, 1), repeat=len(differences))]
    return np.mean([total >= observed - 1e-9 for total in sums])


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_share_of_signs_that_go_as_far(seed):
    generator = np.random.default_rng(seed)
    one = {str(query): score for query, score in enumerate(generator.random(9) + 0.1 * seed)}
    other = {query: float(generator.random()) for query in one}
    expected = exact([one[query] - other[query] for query in one])
    assert p_value(one, other) == pytest.approx(expected, abs=0.02)
    assert p_value(one, other) == p_value(other, one)


def test_alike_systems_are_alike_and_a_clear_difference_is_clear():
    same = {str(query): 0.5 for query in range(40)}
    assert p_value(same, same) == 1
    assert p_value(same, {query: 0.4 for query in same}) == pytest.approx(1 / 10_001)
    assert p_value({"a": 1.0}, {"a": 0.0}) == 1  # one question proves nothing
