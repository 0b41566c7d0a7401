"""UMAP in its child process."""

from importlib.util import find_spec

import numpy as np
import pytest

from search.arrays import unit_rows
from search.errors import InvalidInput
from search.maps import umap_plane
from search.maps.umap_plane import require_umap, umap_places


@pytest.mark.slow
@pytest.mark.skipif(find_spec("umap") is None, reason="UMAP is not installed (the extra umap)")
def test_what_lies_together_stays_together_and_the_same_seed_gives_the_same(tmp_path):
    rng = np.random.default_rng(1)
    kinds = np.repeat([0, 1, 2], 30)
    rows = unit_rows((np.eye(6)[kinds] + rng.normal(scale=0.1, size=(90, 6))).astype(np.float32))
    steps, order = [], tmp_path / "order"
    first, again = (
        umap_places(order, lambda: iter([rows[:50], rows[50:]]), rows.shape, 7, steps.append) for _ in "12"
    )
    assert np.array_equal(first, again) and first.shape == (90, 2) and np.abs(first).max() == pytest.approx(1)
    middles = np.stack([first[kinds == kind].mean(axis=0) for kind in range(3)])
    nearest = np.linalg.norm(first[:, None] - middles[None], axis=2).argmin(axis=1)
    assert (nearest == kinds).mean() > 0.95
    assert steps and steps[0].total == 1 and not order.exists()


def test_where_it_is_not_installed_a_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setattr(umap_plane, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"pip install 'xunyi\[umap\]'.*pca"):
        require_umap()
