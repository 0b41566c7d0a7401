"""Which words of a hit answer which words of the question, as a table that a template can draw.

The numbers are those of the hit's explanation, in thousandths; nothing is computed but sums and shades.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search.model import Hit

COLUMNS_MAX = 10
"""Words of a passage that are shown: those that carry most, in reading order.  The rest is one column."""
ROWS_MAX = 12
"""Words that ask which are shown: those that find most, in reading order.  The rest is one row."""
SHADES = 5


@dataclass(frozen=True, slots=True)
class Cell:
    """What one word of the passage brings one word of the question."""

    thousandths: int
    shade: int
    """0 for next to nothing, up to ``SHADES``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One word that asks, of the question or of an example."""

    word: str | None
    """None for all others together."""
    cells: Sequence[Cell]
    rest: int
    """What all other words of the passage bring it, in thousandths."""
    total: int


@dataclass(frozen=True, slots=True)
class Column:
    """One word of the passage."""

    word: str
    above: bool
    """Whether it stands in the title or a heading, which the passage is read with, and not in its text."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Words of the question by words of a passage."""

    columns: Sequence[Column]
    rows: Sequence[Row]


def heat_map(hit: Hit) -> HeatMap | None:
    """Return the table of a hit, None where attention did not rank it."""
    told = (hit.explanation or {}).get("attention")
    if not told or not told["passage"]:
        return None
    carried: list[list[float]] = told["carried"]
    sums = [sum(column) for column in zip(*carried, strict=True)]
    shown = sorted(sorted(range(len(sums)), key=lambda place: -sums[place])[:COLUMNS_MAX])
    asking = _asking([word["text"] for word in told["query"]], carried)
    strongest = max((max(row) for word, row in asking if word is not None), default=0.0)
    return HeatMap(
        [Column(word["text"], word["start"] is None) for word in map(told["passage"].__getitem__, shown)],
        [_row(word, row, shown, strongest) for word, row in asking],
    )


def _asking(
    words: Sequence[str], carried: Sequence[Sequence[float]]
) -> list[tuple[str | None, Sequence[float]]]:
    """Return the words of rows with what they are brought, and all that are not shown as one row."""
    order = sorted(range(len(words)), key=lambda place: -abs(sum(carried[place])))
    shown, others = sorted(order[:ROWS_MAX]), order[ROWS_MAX:]
    rows: list[tuple[str | None, Sequence[float]]] = [(words[place], carried[place]) for place in shown]
    if others:
        rows.append(
            (None, [sum(column) for column in zip(*(carried[place] for place in others), strict=True)])
        )
    return rows


def _row(word: str | None, carried: Sequence[float], shown: Sequence[int], strongest: float) -> Row:
    cells = [Cell(_thousandths(carried[place]), _shade(carried[place], strongest)) for place in shown]
    total = _thousandths(sum(carried))
    return Row(word, cells, total - sum(cell.thousandths for cell in cells), total)


def _thousandths(value: float) -> int:
    return round(1000 * value)


def _shade(value: float, strongest: float) -> int:
    return min(SHADES, round(SHADES * max(0.0, value) / strongest)) if strongest > 0 else 0
