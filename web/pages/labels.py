"""Where the names of points stand in a picture, so that none covers another.

The first names keep the places that they would have; a later one moves up or down, by as few lines as it
takes.  Overlaps that no such move resolves remain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from unicodedata import east_asian_width

LINE = 15.0
"""Height of a name in the units of the picture."""
LINES_MAX = 8
"""How far a name may move."""
_NARROW, _WIDE, _GAP = 7.5, 13.5, 7.0


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a point, and where both stand."""

    text: str
    x: float
    """Of the point."""
    y: float
    leftward: bool
    """Whether the name stands on the left of its point."""
    moved: float = 0.0
    """By how much the name stands lower than its point."""

    @property
    def start(self) -> float:
        """Where the name ends that is nearer to its point."""
        return self.x - _GAP if self.leftward else self.x + _GAP

    def covers(self, other: "Label") -> bool:
        """Return whether the two names share some place."""
        (left, right), (their_left, their_right) = self._sides(), other._sides()
        apart = abs(self.y + self.moved - other.y - other.moved)
        return left < their_right and their_left < right and apart < LINE

    def _sides(self) -> tuple[float, float]:
        width = sum(_WIDE if east_asian_width(each) in "WF" else _NARROW for each in self.text)
        return (self.start - width, self.start) if self.leftward else (self.start, self.start + width)


def apart(labels: Sequence[Label], height: float) -> list[Label]:
    """Return the labels in their order, moved so that they cover no earlier one, within ``height``."""
    placed: list[Label] = []
    for label in labels:
        moves = sorted((step * LINE for step in range(-LINES_MAX, LINES_MAX + 1)), key=abs)
        inside = [replace(label, moved=move) for move in moves if LINE <= label.y + move <= height - LINE / 2]
        free = (each for each in inside if not any(each.covers(other) for other in placed))
        placed.append(next(free, label))
    return placed
