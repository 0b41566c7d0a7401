"""A map of vectors: where each stands, which cluster it belongs to, and what is typical of that.

Clusters are made of the vectors themselves, not of their places: a plane shows little of what tells them
apart.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Matrix, Vector
from search.centring import without_language
from search.encoders.base import Language
from search.maps.plane import Axes, Places
from search.vectors.base import VectorIndex
from search.vectors.clustering import LEARNED_FROM, centres_of

Groups = NDArray[np.uint8]
"""Number of each point's cluster or colour ``(n,)``."""

BLOCK_ROWS = 4096
CLUSTERS_MAX = 20
CLUSTERS_USUAL = 12
SEED = 0


@dataclass(frozen=True, slots=True)
class Meaning:
    """The vectors of an index without what they have of their language alone.

    Else two languages would lie on two sides, and what they say of the same thing in two clusters.
    """

    index: VectorIndex
    passage_means: Mapping[Language, Vector]
    """Of the encoder."""

    @property
    def ids(self) -> Ids:
        """Passage ids ``(n,)``, ascending."""
        return self.index.ids

    def vectors(self, ids: Ids) -> Matrix:
        """Return the rows ``(len(ids), d)`` of ``ids``."""
        return without_language(self.index.vectors(ids), self.passage_means)


@dataclass(frozen=True, slots=True)
class Clusters:
    """Clusters of rows, the largest first."""

    centres: Matrix
    """``(k, d)``."""
    members: Groups
    """Cluster of each row ``(n,)``."""
    nearness: NDArray[np.float32]
    """Inner product of each row and its centre ``(n,)``."""

    def nearest_rows(self, cluster: int, count: int) -> NDArray[np.int64]:
        """Return the numbers of the ``count`` rows that are nearest to a centre, nearest first."""
        rows = np.flatnonzero(self.members == cluster)
        return rows[np.lexsort((rows, -self.nearness[rows]))[:count]]


@dataclass(frozen=True, slots=True)
class DrawnMap:
    """Where passages stand, and what their clusters are called."""

    ids: Ids
    """``(n,)``, ascending."""
    places: Places
    members: Groups
    centres: Matrix
    axes: Axes | None
    """What places passages that came later; None of a method that cannot."""
    words: Sequence[Sequence[str]]
    """Of each cluster, the most telling first."""
    typical: Sequence[Sequence[int]]
    """Passage ids of each cluster, nearest to its centre first."""


def usual_clusters(rows: int) -> int:
    """Return how many clusters so many rows are parted into where nobody says: from 1 to 12."""
    return max(1, min(CLUSTERS_USUAL, round(sqrt(rows / 2))))


def evenly(ids: Ids, count: int) -> Ids:
    """Return at most ``count`` of ``ids``, spread evenly over all of them."""
    if ids.size <= count:
        return ids
    return ids[np.linspace(0, ids.size - 1, count).round().astype(np.int64)]


def row_blocks(index: Meaning, ids: Ids) -> Callable[[], Iterator[Matrix]]:
    """Return what yields the rows of ``ids``, a block at a time."""

    def blocks() -> Iterator[Matrix]:
        for start in range(0, ids.size, BLOCK_ROWS):
            yield index.vectors(ids[start : start + BLOCK_ROWS])

    return blocks


def clusters_of(index: Meaning, ids: Ids, count: int) -> Clusters:
    """Part the rows of ``ids`` into at most ``count`` clusters, without those that are empty."""
    learned = centres_of(index.vectors(evenly(ids, count * LEARNED_FROM)), count, SEED)
    found = [nearest_centres(block, learned) for block in row_blocks(index, ids)()]
    members = np.concatenate([numbers for numbers, _ in found])
    sizes = np.bincount(members, minlength=learned.shape[0])
    order = np.lexsort((np.arange(sizes.size), -sizes))
    order = order[sizes[order] > 0]
    renumbered = np.zeros(sizes.size, dtype=np.uint8)
    renumbered[order] = np.arange(order.size)
    return Clusters(learned[order], renumbered[members], np.concatenate([near for _, near in found]))


def nearest_centres(rows: Matrix, centres: Matrix) -> tuple[Groups, NDArray[np.float32]]:
    """Return the number of the centre nearest to each row ``(n,)``, and the inner product with it."""
    products = rows @ centres.T
    numbers = products.argmax(axis=1)
    return numbers.astype(np.uint8), products[np.arange(rows.shape[0]), numbers]
