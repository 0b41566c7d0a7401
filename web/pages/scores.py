"""What speaks for a hit as a small stacked bar: one segment for each part of its score.

The longest bar of a page fills its width.  The numbers beside the bar are the parts themselves, which add up
to the score; a part below zero has a number and no segment.
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


def segments(hit: Hit, longest: float) -> list[Segment]:
    """Return the segments of a hit's bar, where ``longest`` is what fills the width."""
    found: list[Segment] = []
    start = 0.0
    for name, value in hit.parts.items():
        width = 100 * max(0.0, value) / longest if longest > 0 else 0.0
        found.append(Segment(name, value, round(start, 2), round(width, 2)))
        start += width
    return found


def longest_bar(hits: Sequence[Hit]) -> float:
    """Return the largest sum of the parts above zero, 0 where nothing was found."""
    return max((sum(max(0.0, value) for value in hit.parts.values()) for hit in hits), default=0.0)
