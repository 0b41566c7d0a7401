"""The reliability diagram in a terminal: what a relevance claims, beside what it turned out to mean."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from indexer.reliability import Outcome, Reliability
from indexer.shell import options

WIDTH = 40
"""Characters of the diagram from 0 to 1."""


def print_reliability(found: Reliability, console: Console) -> None:
    """Print the diagram and what "nothing relevant" costs."""
    foreign = options.counted(found.foreign, "foreign question")
    questions = options.counted(found.questions, "judged question")
    console.print(f"relevance: {questions}, {foreign} ({found.foreign_from})", markup=False)
    table = Table(box=None, pad_edge=False)
    table.add_column("relevance", justify="right")
    table.add_column("foreign below", justify="right")
    table.add_column("judged below", justify="right")
    table.add_column(Text(f"0{'█ foreign  ░ judged  | claimed':^{WIDTH - 1}}1"))
    for point in found.diagram:
        row = _bar(point.foreign_below, point.judged_below, point.relevance)
        table.add_row(
            f"{point.relevance:.1f}", f"{point.foreign_below:.3f}", f"{point.judged_below:.3f}", row
        )
    console.print(table)
    console.print(_told("by shipped questions", found.usual), markup=False)
    if found.refined:
        console.print(_told("by nine tenths of the judged ones, on the last", found.refined), markup=False)


def _bar(foreign: float, judged: float, claimed: float) -> str:
    cells = ["█" if place < round(foreign * WIDTH) else " " for place in range(WIDTH + 1)]
    cells[: round(judged * WIDTH)] = "░" * round(judged * WIDTH)
    cells[round(claimed * WIDTH)] = "|"
    return "".join(cells)


def _told(how: str, outcome: Outcome) -> str:
    levels = ", ".join(f"{language} {level:.2f}" for language, level in outcome.level.items())
    return (
        f"nothing relevant below {levels} ({how}): told to {outcome.rejected:.1%} of the foreign questions, "
        f"costs {outcome.recall_cost:.1%} of R@10"
    )
