"""Hits that differ from one another: maximal marginal relevance.

The best hit comes first.  Each next one is the row i of those that are left with the highest

    (1 - diversity) r_i  -  diversity max_j cos(i, j)

over the hits j that are there already, where r_i is the row's score, scaled over the rows at hand so that the
best has 1 and the worst 0, and cos the cosine of the centred vectors of the passages shown.  What is chosen
keeps its score and its parts: only the order is another, and what comes onto the page.

What it costs and brings, nDCG@10 and mean cosine of the hits of a page to one another, 120 questions each:

    diversity              0            .3           .5
    cranfield          .400 .562    .384 .551    .357 .537
    stackfaq_answers   .666 .535    .655 .525    .635 .507

Source: Carbonell and Goldstein, The use of MMR, diversity-based reranking for reordering documents and
producing summaries, SIGIR 1998, section 2, with lambda = 1 - diversity.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.arrays import Matrix

POOL = 5
"""From how many times as many rows as are wanted they are chosen."""
POOL_MAX = 1000
"""From how many rows at most, unless more are wanted."""


def pool_size(limit: int, diversity: float) -> int:
    """Return how many of the best rows ``limit`` hits are chosen from."""
    return limit if diversity == 0 else max(limit, min(POOL * limit, POOL_MAX))


def diverse(scores: Sequence[float], vectors: Matrix, limit: int, diversity: float) -> list[int]:
    """Return the places of up to ``limit`` rows in the order of the formula above, ties by place.

    Args:
        scores: of the rows, best first ``(n,)``.
        vectors: of their passages, centred, of unit length ``(n, d)``.
        limit: how many.
        diversity: from 0 (by score alone) to 1 (whatever differs most from what is there).
    """
    relevance = _scaled(np.asarray(scores, dtype=np.float64))
    nearest = np.zeros(relevance.size)
    left = np.ones(relevance.size, dtype=bool)
    chosen: list[int] = []
    for _ in range(min(limit, relevance.size)):
        marginal = (1 - diversity) * relevance - diversity * nearest if chosen else relevance
        place = int(np.argmax(np.where(left, marginal, -np.inf)))
        near = (vectors @ vectors[place]).astype(np.float64)
        nearest = np.maximum(nearest, near) if chosen else near
        left[place] = False
        chosen.append(place)
    return chosen


def _scaled(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = float(np.ptp(scores)) if scores.size else 0.0
    return (scores - scores.min(initial=np.inf)) / spread if spread > 0 else np.zeros(scores.size)
