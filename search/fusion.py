"""Merge the evidence of several retrievers about the same passages into one score, exactly.

A passage's score is the sum of its parts, each on a scale that the query alone fixes.  Nothing is
normalised over the candidates, so a part is near zero where it knows nothing (BM25 across languages)
instead of being blown up to full weight, a score means the same on every page, and the parts add up to it.

Fixed scales also make the answer provably complete.  Every part is a list in descending order, so a
passage that none of the lists has shown yet scores at most the sum of their last entries (Fagin, Lotem
and Naor, Optimal aggregation algorithms for middleware, JCSS 66, 2003, section 4: the threshold
algorithm).  The lists are lengthened until the page lies above that sum.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.arrays import Ids, Vector

Table = Mapping[str, NDArray[np.float64]]
"""Part -> its scores of the same passages ``(n,)``."""

FIRST_DEPTH = 64
DEEPER = 4


@dataclass(frozen=True, slots=True)
class Listing:
    """The best passages by one part, best first."""

    ids: Ids
    scores: Vector
    exact: bool
    ceiling: float
    """No passage outside the listing scores more by this part."""
    complete: bool
    """Whether the listing shows every passage that can be an answer at all."""


class Part(Protocol):
    """One kind of evidence, already weighted."""

    def top(self, k: int) -> Listing:
        """Return the ``k`` best passages."""
        ...

    def scores(self, ids: Ids) -> Vector:
        """Return the scores ``(len(ids),)`` of given passages."""
        ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """One row of an answer: a passage, its group, its score and the parts that add up to it."""

    passage: int
    group: int
    score: float
    parts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best groups by their best passage, best first."""

    rows: Sequence[Ranked]
    exact: bool


def first_depth(limit: int) -> int:
    """Return how many passages of each part are looked at first: enough for most pages."""
    return max(FIRST_DEPTH, 2 * limit)


def rank(
    parts: Mapping[str, Part], limit: int, groups_of: Callable[[Sequence[int]], Mapping[int, int]]
) -> Ranking:
    """Return the ``limit`` best groups of passages, each shown by its best passage.

    Args:
        parts: the evidence; a passage's score is the sum over them.
        limit: how many groups, at least 1; fewer only where there are fewer.
        groups_of: passage ids -> id of the group (a document, or the passage itself).
    """
    depth = first_depth(limit)
    while True:
        listings = [part.top(depth) for part in parts.values()]
        rows = _rows(parts, listings, groups_of, limit)
        threshold = sum(listing.ceiling for listing in listings)
        everything = any(listing.complete for listing in listings)
        if everything or (len(rows) >= limit and rows[limit - 1].score > threshold):
            return Ranking(rows, all(listing.exact for listing in listings))
        depth *= DEEPER


def _rows(
    parts: Mapping[str, Part],
    listings: Sequence[Listing],
    groups_of: Callable[[Sequence[int]], Mapping[int, int]],
    limit: int,
) -> list[Ranked]:
    ids = listed(listings)
    return best_of_groups(ids, scores_by(parts, ids), limit, groups_of)


def listed(listings: Sequence[Listing]) -> Ids:
    """Return the passages that any of the listings shows, ascending."""
    return np.unique(np.concatenate([listing.ids for listing in listings]))


def scores_by(parts: Mapping[str, Part], ids: Ids) -> Table:
    """Return for every part its scores of given passages."""
    return {name: part.scores(ids).astype(np.float64) for name, part in parts.items()}


def best_of_groups(
    ids: Ids, table: Table, limit: int, groups_of: Callable[[Sequence[int]], Mapping[int, int]]
) -> list[Ranked]:
    """Return the best passage of each of the ``limit`` best groups, best first, ties by ascending id.

    Groups are asked for a few passages at a time: most candidates are never looked at.

    Args:
        ids: candidates ``(n,)``.
        table: their scores by every part; they add up.
        limit: how many groups.
        groups_of: see ``rank``.
    """
    scores = np.sum(list(table.values()), axis=0)
    order = np.lexsort((ids, -scores))
    rows: list[Ranked] = []
    seen: set[int] = set()
    for start in range(0, order.size, 2 * limit):
        places = order[start : start + 2 * limit]
        groups = groups_of(ids[places].tolist())
        for place, passage in zip(places.tolist(), ids[places].tolist(), strict=True):
            if groups[passage] not in seen:
                seen.add(groups[passage])
                shares = {name: float(part[place]) for name, part in table.items()}
                rows.append(Ranked(passage, groups[passage], float(scores[place]), shares))
        if len(rows) >= limit:
            break
    return rows[:limit]
