"""Relevance: how much more a passage says to a question than is usual where there is no answer.

A score tells which passage is best, not whether it is any good: something is always nearest.  So a collection
is asked questions about other things, and what its best passages score for them is the null distribution.
The relevance of a passage is the share of such questions whose best passage scores less:

    relevance(s) = Phi((s - m) / d)

Some of these questions will have an answer in the collection after all, and theirs are the highest scores.
So the normal distribution is fitted where they do not reach: to the lowest tenth and four tenths.

Five judged collections were asked the questions of those about other subjects: 93 to 98 % of these were told
that nothing is relevant, and so were own questions with 0 to 5 % of R@10.  A collection that answers much of
what the shipped questions ask loses more, and needs judgements: see ``refined``.

Source: the idea is that of score normalisation by a cohort of impostors; Auckenthaler, Carey and
Lloyd-Thomas, Score normalization for text-independent speaker verification systems, Digital Signal Processing
10, 2000.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", float, NDArray[np.float64])

RELEVANT = 0.9
"""Below it nothing is relevant: one question in ten that has no answer is said to have one."""
JUDGED_LOSS = 0.05
"""Share of judged answers that may fall below the level that they have a say in."""
PASSAGES_MIN = 50
"""Of fewer passages the best says too little about what is usual."""
SCORES_MIN = 20
"""Scores, of either kind, that anything is concluded from."""

_LOW, _HIGH = 0.1, 0.4
_SPREAD_MIN = 1e-3


@dataclass(frozen=True, slots=True)
class Calibration:
    """What is usual in a collection for questions of one language that it has no answer to."""

    centre: float
    """m: of the best passages' scores."""
    spread: float
    """d: their standard deviation."""
    level: float = RELEVANT
    """Relevance from which on a passage counts as an answer."""

    def relevance(self, evidence: float) -> float:
        """Return the relevance, from 0 to 1, of a passage whose score has this ``evidence``."""
        return NormalDist(self.centre, self.spread).cdf(evidence)


def evidence(parts: Mapping[str, T]) -> T:
    """Return what passages score by themselves: without what holds them against others of their language.

    So in a collection of two languages the most relevant passage need not be the first.
    """
    said = [part for name, part in parts.items() if name != "language"]
    return sum(said[1:], start=said[0])


def calibrated(scores: Sequence[float]) -> Calibration:
    """Return the calibration by scores of the best passages for questions without an answer.

    Raises:
        ValueError: they are too few.
    """
    if len(scores) < SCORES_MIN:
        raise ValueError(f"{len(scores)} scores are too few to tell what is usual")
    low, high = np.quantile(np.asarray(scores, dtype=np.float64), [_LOW, _HIGH])
    normal = NormalDist()
    spread = (high - low) / (normal.inv_cdf(_HIGH) - normal.inv_cdf(_LOW))
    return Calibration(float(low - normal.inv_cdf(_LOW) * spread), max(float(spread), _SPREAD_MIN))


def refined(calibration: Calibration, judged: Sequence[float]) -> Calibration:
    """Return the calibration with a level that loses few of the judged answers.

    It is only ever lowered: answers that are far from the usual need no help, and a higher level would lose
    some for nothing.

    Args:
        calibration: by the null distribution.
        judged: relevance of the best judged answer of each question, at least ``SCORES_MIN`` of them.
    """
    if len(judged) < SCORES_MIN:
        raise ValueError(f"{len(judged)} judged answers are too few to tell what is usual")
    lowest = float(np.quantile(judged, JUDGED_LOSS))
    return replace(calibration, level=min(RELEVANT, lowest))
