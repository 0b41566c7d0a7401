"""Which words of a hit answer which words of the question, as a table that a template can draw.

The numbers are those of the hit's explanation, in thousandths; nothing is computed but sums and shades.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search.model import Hit

COLUMNS_MAX = 10
"""Words of a passage that are shown: those that carry most, in reading order.  The rest is one column."""
SHADES = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """What one word of the passage brings one word of the question."""

    thousandths: int
    shade: int
    """0 for next to nothing, up to ``SHADES``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One word of the question."""

    word: str
    cells: Sequence[Cell]
    rest: int
    """What all other words of the passage bring it, in thousandths."""
    total: int


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Words of the question by words of a passage."""

    words: Sequence[str]
    rows: Sequence[Row]


def heat_map(hit: Hit) -> HeatMap | None:
    """Return the table of a hit, None where attention did not rank it."""
    told = (hit.explanation or {}).get("attention")
    if not told or not told["passage"]:
        return None
    carried: list[list[float]] = told["carried"]
    sums = [sum(column) for column in zip(*carried, strict=True)]
    shown = sorted(sorted(range(len(sums)), key=lambda place: -sums[place])[:COLUMNS_MAX])
    strongest = max(max(row) for row in carried)
    return HeatMap(
        [told["passage"][place]["text"] for place in shown],
        [_row(word["text"], row, shown, strongest) for word, row in zip(told["query"], carried, strict=True)],
    )


def _row(word: str, carried: Sequence[float], shown: Sequence[int], strongest: float) -> Row:
    cells = [Cell(_thousandths(carried[place]), _shade(carried[place], strongest)) for place in shown]
    total = _thousandths(sum(carried))
    return Row(word, cells, total - sum(cell.thousandths for cell in cells), total)


def _thousandths(value: float) -> int:
    return round(1000 * value)


def _shade(value: float, strongest: float) -> int:
    return round(SHADES * max(0.0, value) / strongest) if strongest > 0 else 0
