"""A hit's score as a small stacked bar: one segment for each part, in percent of the best score.

The numbers beside the bar are the parts themselves, which add up to the score; a part below zero
has a number and no segment.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search.model import Hit


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a score: its name, its value, and where its segment begins and how wide it is (percent)."""

    name: str
    value: float
    start: float
    width: float


def segments(hit: Hit, best: float) -> list[Segment]:
    """Return the segments of a hit's bar, where ``best`` is the highest score of the page."""
    found: list[Segment] = []
    start = 0.0
    for name, value in hit.parts.items():
        width = 100 * max(0.0, value) / best if best > 0 else 0.0
        width = min(width, 100 - start)
        found.append(Segment(name, value, round(start, 2), round(width, 2)))
        start += width
    return found


def best_score(hits: Sequence[Hit]) -> float:
    """Return the highest score, 0 where nothing was found."""
    return max((hit.score for hit in hits), default=0.0)
