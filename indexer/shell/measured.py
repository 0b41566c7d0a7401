"""Measures of systems, drawn as a table with a line on each difference; shared by what evaluates."""

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from search.evaluation.measures import COMPARED

Systems = Mapping[str, Mapping[str, float]]
"""System -> its measures."""


def table_of(groups: Mapping[str, Systems], title: str) -> Table:
    """Return a table with a row for each system of each group."""
    table = Table(box=None, pad_edge=False)
    table.add_column(title)
    table.add_column("system")
    names = list(next(iter(groups[next(iter(groups))].values())))
    for name in names:
        table.add_column(name, justify="right")
    for group, systems in groups.items():
        for system, values in systems.items():
            figures = (f"{values[name]:.4f}" if name in values else "" for name in names)
            table.add_row(escape(group), escape(system), *figures)
    return table


def compared(systems: Systems, p_values: Systems) -> list[str]:
    """Return a line for each system beside the best: how far behind it is, and the p-value of that."""
    scores = {system: values[COMPARED] for system, values in systems.items()}
    best = max(scores, key=lambda system: scores[system])
    return [
        f"{best} over {other}: {COMPARED} {scores[best] - score:+.4f}, p = {p_values[best][other]:.4f}"
        for other, score in scores.items()
        if other != best
    ]
