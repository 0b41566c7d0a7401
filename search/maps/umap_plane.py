"""UMAP, an optional part: near vectors stay near in the picture, and far ones go anywhere.

Source: McInnes, Healy and Melville, UMAP: Uniform Manifold Approximation and Projection for dimension
reduction, arXiv:1802.03426.  It takes seconds to import and much memory, so a child process does it.

<order>/rows.npy      the vectors
        places.npy    where they stand, written by the child
"""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from search.arrays import Matrix
from search.child import Killed, Progress, run_child
from search.errors import InvalidInput, ModelUnavailable
from search.maps.plane import Blocks, Places

ROWS, PLACES = "rows.npy", "places.npy"
PLACED_MAX = 100_000
"""Passages that are placed; it takes some minutes for that many."""
FEWEST = 5
"""Rows below which there are no neighbourhoods to speak of."""


def require_umap() -> None:
    """Raise ``InvalidInput`` unless UMAP is installed."""
    if find_spec("umap") is None:
        raise InvalidInput(
            "the method umap is not installed here; `pip install 'xunyi[umap]'` adds it; or choose pca"
        )


def umap_places(order: Path, blocks: Blocks, shape: tuple[int, int], seed: int, progress: Progress) -> Places:
    """Return the places ``(n, 2)`` of the rows of ``blocks``, from -1 to 1; the same seed gives the same.

    Args:
        order: folder to be made, which is gone afterwards.
        blocks: all rows.
        shape: of all of them together, ``(n, d)``.
        seed: of every draw.
        progress: told about the one step.

    Raises:
        ModelUnavailable: the child was killed.
        StorageFull: the disk cannot hold the rows.
    """
    order.mkdir(parents=True, mode=0o700)
    try:
        rows = np.lib.format.open_memmap(order / ROWS, mode="w+", dtype=np.float32, shape=shape)
        done = 0
        for block in blocks():
            rows[done : done + block.shape[0]] = block
            done += block.shape[0]
        rows.flush()
        del rows
        run_child("search.maps.umap_training", [str(order), str(seed)], progress)
        return _scaled(np.load(order / PLACES, allow_pickle=False))
    except Killed as killed:
        raise ModelUnavailable(
            f"umap was killed by signal {killed}, often for want of memory; free some, or choose pca"
        ) from None
    finally:
        shutil.rmtree(order, ignore_errors=True)


def _scaled(places: Matrix) -> Places:
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    apart = places - middle
    return np.asarray(apart / (np.abs(apart).max() or 1), dtype=np.float32)
