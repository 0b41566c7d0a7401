"""Filtered searches over 100,000 passages: are they right, are they full, are they fast?

Every answer is compared with that of ``oracle.py`` over the same rows, passage by passage.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from indexer.service import Service
from indexer.store.filters import matching_passages
from search.arrays import Ids
from search.model import Mode, SearchRequest
from tests.benchmarks import home_100k
from tests.benchmarks.demo_corpus import judged_questions
from tests.benchmarks.oracle import Mask, Oracle, agreement
from tests.benchmarks.report import Options, Outcome, Target
from tests.benchmarks.timing import Times

EXACT_MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid")
"""Those that rank every passage; attention ranks the best hundred of ``hybrid``."""
LIMIT = 10
P50_MS_MAX = 40.0
PROMISED = ("50 %", "10 %", "1 %", ".01 %")
GROUPS = ("document", "passage")


@dataclass(frozen=True, slots=True)
class Cell:
    """Searches of one mode and grouping under one filter."""

    filter: str
    mode: str
    group_by: str
    times: Times
    """Of a search, the encoding of its query included."""
    full: int
    """Answers of as many passages as match, or of the limit."""
    equal: int
    equal_but_for_rounding: int

    def told(self) -> Mapping[str, Any]:
        """Return the cell as a row of the result."""
        return {
            "filter": self.filter,
            "mode": self.mode,
            "group_by": self.group_by,
            "queries": len(self.times.wall),
            "full": self.full,
            "equal": self.equal,
            "equal_but_for_rounding": self.equal_but_for_rounding,
            **self.times.told(),
        }


def run(options: Options) -> Outcome:
    """Measure every filter in every mode and grouping."""
    service = home_100k.opened(options)
    service.ready()
    oracle = Oracle(service, service.ensure_collection(home_100k.COLLECTION))
    told, cells = {}, []
    for name, given in home_100k.FILTERS.items():
        selected = _selected(service, given)
        first = Times()
        first.of(partial(_found, service, SearchRequest(judged_questions()[0], filter=given)))
        told[name] = {"filter": given, "passages": selected.size, "first_search_ms": first.p50_ms}
        cells += list(_cells(service, oracle, name, oracle.rows_of(selected)))
    service.close()
    return Outcome(
        settings={"passages": oracle.ids.size, "limit": LIMIT},
        measured={"filters": told, "cells": [cell.told() for cell in cells]},
        targets=list(_targets(cells)),
    )


def _selected(service: Service, given: Mapping[str, Any]) -> Ids:
    collection = service.ensure_collection(home_100k.COLLECTION)
    with service.database.read() as connection:
        query = matching_passages(connection, collection.id, given)
        return np.array(connection.execute(query).scalars().all(), dtype=np.int64)


def _found(service: Service, request: SearchRequest) -> list[int]:
    return [hit.passage.id for hit in service.search(home_100k.COLLECTION, request).hits]


def _cells(service: Service, oracle: Oracle, name: str, allowed: Mask) -> Iterator[Cell]:
    for mode in EXACT_MODES:
        for group_by in GROUPS:
            request = SearchRequest(limit=LIMIT, mode=mode, filter=home_100k.FILTERS[name], group_by=group_by)
            times, verdicts = Times(), []
            for query in judged_questions():
                found = times.of(partial(_found, service, replace(request, query=query)))
                expected = oracle.answer(query, mode, allowed, group_by == "document")
                verdicts.append(agreement(found, expected, LIMIT))
            full, equal, rounded = (sum(column) for column in zip(*verdicts, strict=True))
            yield Cell(name, mode, group_by, times, full, equal, rounded)


def _targets(cells: Sequence[Cell]) -> Iterator[Target]:
    wrong = sum(len(cell.times.wall) - cell.equal_but_for_rounding for cell in cells)
    short = sum(len(cell.times.wall) - cell.full for cell in cells)
    yield Target("answers that differ from the brute-force oracle's", wrong, 0)
    yield Target("answers shorter than what matches", short, 0)
    for name in PROMISED:
        slowest = max(cell.times.p50_ms for cell in cells if cell.filter == name)
        yield Target(f"{name}: p50 ms of the slowest mode", slowest, P50_MS_MAX)
