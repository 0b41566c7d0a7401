"""Clusters, against scikit-learn's, and rows without their language."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from search.arrays import unit_rows
from search.maps import drawing
from search.maps.drawing import Meaning, clusters_of, evenly, nearest_centres, usual_clusters
from search.vectors.exact_index import ExactIndex


def index_of(rows):
    return ExactIndex(np.arange(100, 100 + len(rows)), rows)


@pytest.fixture(scope="module")
def heaps():
    """Unit rows about three directions: 60, 40 and 20 of them, mixed up, and which is which."""
    rng = np.random.default_rng(5)
    kinds = rng.permutation(np.repeat([0, 1, 2], [60, 40, 20]))
    rows = np.eye(8)[kinds] + rng.normal(scale=0.05, size=(120, 8))
    return unit_rows(rows.astype(np.float32)), kinds


def test_heaps_are_found_the_largest_first(heaps, monkeypatch):
    rows, kinds = heaps
    monkeypatch.setattr(drawing, "BLOCK_ROWS", 17)
    found = clusters_of(Meaning(index_of(rows), {}), np.arange(100, 220), 3)
    assert found.members.tolist() == kinds.tolist()
    judge = KMeans(3, n_init=5, random_state=0).fit(rows)
    expected = unit_rows(judge.cluster_centers_[judge.labels_].astype(np.float32))
    np.testing.assert_allclose(found.centres[found.members], expected, atol=1e-4)
    np.testing.assert_allclose(found.nearness, np.sum(rows * expected, axis=1), atol=1e-4)
    nearest = found.nearest_rows(2, 3)
    assert (kinds[nearest] == 2).all()
    assert found.nearness[nearest].tolist() == sorted(found.nearness[kinds == 2].tolist(), reverse=True)[:3]


def test_there_are_never_more_clusters_than_rows_and_none_is_empty(heaps):
    same = np.tile(heaps[0][:1], (9, 1))
    for rows, most in ((heaps[0][:2], 2), (same, 9)):
        found = clusters_of(Meaning(index_of(rows), {}), np.arange(100, 100 + len(rows)), 5)
        assert len(found.centres) <= most
        assert (np.bincount(found.members, minlength=len(found.centres)) > 0).all()


def test_a_row_belongs_to_the_nearest_centre():
    members, near = nearest_centres(
        np.array([[1, 0], [0.6, 0.8]], np.float32), np.array([[0, 1], [1, 0]], np.float32)
    )
    assert members.tolist() == [1, 0] and near.tolist() == pytest.approx([1, 0.8])


def test_what_two_languages_alone_tell_apart_is_left_out():
    means = {"en": np.array([1, 0, 0], np.float32), "zh": np.array([-1, 0, 0], np.float32)}
    rows = unit_rows(np.array([[3, 4, 0], [-3, 4, 0], [1, 0, 1]], np.float32))
    found = Meaning(index_of(rows), means).vectors(np.arange(100, 103))
    assert found.tolist() == [[0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_ids_are_spread_evenly_and_clusters_grow_with_the_passages():
    assert evenly(np.arange(10), 4).tolist() == [0, 3, 6, 9]
    assert evenly(np.arange(3), 4).tolist() == [0, 1, 2]
    assert evenly(np.arange(10), 0).tolist() == []
    assert [usual_clusters(rows) for rows in (1, 2, 50, 161, 10_000)] == [1, 1, 5, 9, 12]
