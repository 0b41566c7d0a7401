"""The plane in which vectors differ most: their first two principal components.

Source: Pearson, On lines and planes of closest fit to systems of points in space, Philosophical Magazine
2(11), 1901.  Rows go by a block at a time, so that a hundred thousand of them need no memory of their own.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from search.arrays import Matrix, Vector

Places = NDArray[np.float32]
"""Points of a picture ``(n, 2)``, mostly from -1 to 1."""

Blocks = Callable[[], Iterable[Matrix]]
"""Yields all rows, a block ``(m, d)`` at a time; always the same ones."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Two directions, and how to place a vector by them."""

    mean: Vector
    """``(d,)``: what stands in the middle."""
    directions: Matrix
    """``(2, d)``, orthogonal unit rows, the one of greater variance first; zeros where there is none."""
    scale: float
    """What the farthest of the rows is divided by, to lie within -1 and 1."""
    explained: tuple[float, float]
    """Shares of all variance that lie along the two, from 0 to 1."""

    def place(self, rows: Matrix) -> Places:
        """Return the places ``(n, 2)`` of rows, of those the axes were made from or of others."""
        return np.asarray((rows - self.mean) @ self.directions.T / self.scale, dtype=np.float32)


def principal_plane(blocks: Blocks, dimension: int) -> tuple[Axes, Places]:
    """Return the axes of rows and the places ``(n, 2)`` of these, from -1 to 1.

    Each direction is turned so that its largest number is positive.
    """
    count, total = 0, np.zeros(dimension)
    for block in blocks():
        count += block.shape[0]
        total += block.sum(axis=0, dtype=np.float64)
    mean = total / max(count, 1)
    spread = np.zeros((dimension, dimension))
    for block in blocks():
        apart = block - mean
        spread += apart.T @ apart
    variances, directions = _leading(spread)
    axes = Axes(
        np.asarray(mean, dtype=np.float32),
        np.asarray(directions, dtype=np.float32),
        1.0,
        (float(variances[0]), float(variances[1])),
    )
    places = np.concatenate([np.empty((0, 2), dtype=np.float32), *map(axes.place, blocks())])
    farthest = float(np.abs(places).max(initial=0)) or 1.0
    return replace(axes, scale=farthest), np.asarray(places / farthest, dtype=np.float32)


def _leading(spread: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of variance ``(2,)`` and the directions ``(2, d)`` of the two leading components."""
    values, vectors = np.linalg.eigh(spread)
    shares, directions = np.zeros(2), np.zeros((2, spread.shape[0]))
    whole = float(values.clip(0).sum())
    for place in range(min(2, values.size)):
        if values[-1 - place] > 1e-12 * max(whole, 1e-300):
            shares[place] = values[-1 - place] / whole
            direction = vectors[:, -1 - place]
            directions[place] = direction * np.sign(direction[np.abs(direction).argmax()])
    return shares, directions
