"""Principal components, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from search.maps.plane import principal_plane


def blocks_of(rows, size):
    return lambda: (rows[start : start + size] for start in range(0, len(rows), size))


@pytest.fixture(scope="module")
def rows():
    drawn = np.random.default_rng(3).normal(size=(500, 12)) * np.linspace(3, 0.2, 12) + 5
    return drawn.astype(np.float32)


@pytest.mark.parametrize("size", [7, 500])
def test_places_and_shares_are_those_of_scikit_learn(rows, size):
    judge = PCA(n_components=2, svd_solver="full").fit(rows)
    expected = judge.transform(rows)
    axes, places = principal_plane(blocks_of(rows, size), 12)
    signs = np.sign(np.sum(places * expected, axis=0))
    np.testing.assert_allclose(places * axes.scale, expected * signs, atol=1e-4)
    np.testing.assert_allclose(axes.explained, judge.explained_variance_ratio_, atol=1e-6)
    assert np.abs(places).max() == pytest.approx(1)


def test_other_rows_are_placed_by_the_same_axes(rows):
    axes, places = principal_plane(blocks_of(rows, 100), 12)
    np.testing.assert_allclose(axes.place(rows[40:60]), places[40:60], atol=1e-6)
    turned = np.abs(axes.directions).argmax(axis=1)
    assert (axes.directions[[0, 1], turned] > 0).all()


@pytest.mark.parametrize("count", [0, 1, 4])
def test_rows_that_do_not_differ_lie_in_the_middle(count):
    rows = np.full((count, 3), 0.5, dtype=np.float32)
    axes, places = principal_plane(blocks_of(rows, 2), 3)
    assert places.shape == (count, 2) and not places.any() and axes.explained == (0, 0)


def test_a_single_dimension_has_one_direction():
    rows = np.array([[1], [3], [5]], dtype=np.float32)
    axes, places = principal_plane(blocks_of(rows, 2), 1)
    assert places.tolist() == [[-1, 0], [0, 0], [1, 0]] and axes.explained == (1, 0)
