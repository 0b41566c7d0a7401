"""What the points of a map are coloured by: their cluster, or a field of their documents.

A field of many different numbers or times makes ranges that hold about as many documents each; any other
makes a colour of each of its most frequent values.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from indexer.map_records import GroupKind, MapGroup
from indexer.store.field_columns import Column
from indexer.store.fields import Element
from search.arrays import Ids
from search.maps.drawing import Groups

VALUES_MAX = 11
"""Values that have a colour of their own, beside one for all others."""
RANGES = 6


@dataclass(frozen=True, slots=True)
class Colours:
    """The groups, and which of them each point is in ``(n,)``."""

    groups: Sequence[MapGroup]
    members: Groups


def by_field(column: Column, documents: Mapping[int, int], ids: Ids) -> Colours:
    """Return the colours of passages by a field of their documents.

    Of several values of one document the one counts that most documents have.

    Args:
        column: of the field.
        documents: passage id -> document id.
        ids: of the passages.
    """
    if _measures(column):
        labels, numbers = _ranges(column)
        kind: GroupKind = "range"
    else:
        labels, numbers = _values(column)
        kind = "value"
    known = len(labels)
    members = np.array(
        [numbers.get(documents.get(passage, -1), known + 1) for passage in ids.tolist()], dtype=np.int64
    )
    kinds: list[GroupKind] = [*([kind] * known), "other", "missing"]
    counts = np.bincount(members, minlength=known + 2)
    kept = [number for number in range(known + 2) if number < known or counts[number]]
    places = np.zeros(known + 2, dtype=np.uint8)
    places[kept] = np.arange(len(kept))
    shown = [*labels, "", ""]
    return Colours(
        [MapGroup(shown[number], kinds[number], int(counts[number])) for number in kept], places[members]
    )


def _measures(column: Column) -> bool:
    """Return whether all values are numbers, or all times, and too many to have a colour each."""
    values = [value for several in column.values() for value in several]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    times = all(isinstance(value, datetime) for value in values)
    return (numbers or times) and len(set(values)) > VALUES_MAX


def _ranges(column: Column) -> tuple[list[str], dict[int, int]]:
    """Return the labels of ranges, and document -> range of its first value."""
    firsts = {document: _number(values[0]) for document, values in column.items()}
    ordered = np.sort(np.fromiter(firsts.values(), dtype=np.float64))
    edges = np.unique(ordered[np.arange(1, RANGES) * ordered.size // RANGES])
    numbers = {document: int(np.searchsorted(edges, value, "right")) for document, value in firsts.items()}
    held: dict[int, list[Element]] = {}
    for document, number in numbers.items():
        held.setdefault(number, []).append(column[document][0])
    used = {number: place for place, number in enumerate(sorted(held))}
    labels = [f"{_label(min(held[n], key=_number))} – {_label(max(held[n], key=_number))}" for n in used]
    return labels, {document: used[number] for document, number in numbers.items()}


def _values(column: Column) -> tuple[list[str], dict[int, int]]:
    """Return the labels of the most frequent values, and document -> its value (one more for the others)."""
    labels = {document: [_label(value) for value in values] for document, values in column.items()}
    counts = Counter(label for several in labels.values() for label in set(several))
    frequent = sorted(counts, key=lambda label: (-counts[label], label))[:VALUES_MAX]
    places = {label: place for place, label in enumerate(frequent)}
    return frequent, {
        document: min(places.get(label, len(frequent)) for label in several)
        for document, several in labels.items()
    }


def _number(value: Element) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _label(value: Element) -> str:
    """Return how a value is written on a map."""
    match value:
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.strftime("%Y-%m-%d")
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)[:100]
