"""A drawn map over the rows as they are now: what went is left out, what came is placed by the same axes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.engine import Connection

from indexer import map_colours
from indexer.extracts import extract
from indexer.map_colours import Colours
from indexer.map_records import (
    BY_CLUSTER,
    CollectionMap,
    MapCluster,
    MapGroup,
    MapPoints,
    MapRequest,
    TypicalPassage,
)
from indexer.snapshots import Snapshot
from indexer.store import passages
from indexer.store.collections import Collection
from indexer.store.field_columns import column
from indexer.store.passages import StoredPassages
from search.arrays import Ids
from search.maps.drawing import DrawnMap, Groups, Meaning, evenly, nearest_centres
from search.maps.plane import Places
from search.model import FoundPassage
from search.vectors.base import VectorIndex
from search.views import contained

LABEL_WORDS = 3
"""Of a cluster, in the legend."""
DECIMALS = 4


@dataclass(frozen=True, slots=True)
class _Placed:
    """Passages that are there now; the arrays are parallel."""

    ids: Ids
    places: Places
    members: Groups


def shown(
    found: Collection,
    snapshot: Snapshot,
    connection: Connection,
    *,
    asked: MapRequest,
    generation: int | None,
    drawn: DrawnMap | None,
    meaning: Callable[[Collection, VectorIndex], Meaning],
) -> CollectionMap | None:
    """Return what a map says; None where the collection has another generation meanwhile.

    Args:
        found: the collection, seen through the encoder.
        snapshot: of it.
        connection: of the transaction.
        asked: how much of it, in which colours.
        generation: that the map was drawn of.
        drawn: the map; None of an empty collection.
        meaning: returns the rows of an index as the map was drawn of them.

    Raises:
        InvalidInput: no document has the field that is to colour it.
    """
    if snapshot.vectors.generation != generation:
        return None
    living = snapshot.vectors.all_ids()
    late = meaning(found, snapshot.vectors.tail)
    placed = _placed(drawn, late, living)
    clusters = [] if drawn is None else _clusters(connection, found, drawn, placed.members)
    colours = _colours(connection, found, asked.colour, placed, clusters)
    return CollectionMap(
        collection=found.name,
        encoder=found.encoder,
        method=asked.method,
        generation=generation,
        passages=living.size,
        missing=living.size - placed.ids.size,
        explained=None if drawn is None or drawn.axes is None else drawn.axes.explained,
        colour=asked.colour,
        groups=colours.groups,
        clusters=clusters,
        points=_points(placed, colours.members, asked.points),
    )


def _placed(drawn: DrawnMap | None, late: Meaning, living: Ids) -> _Placed:
    """Return the passages of a map that are still there, and those that its axes can place."""
    if drawn is None:
        nothing: Ids = np.empty(0, dtype=np.int64)
        return _Placed(nothing, np.empty((0, 2), dtype=np.float32), np.empty(0, dtype=np.uint8))
    kept = contained(drawn.ids, living)
    ids, places, members = drawn.ids[kept], drawn.places[kept], drawn.members[kept]
    if drawn.axes is not None and late.ids.size:
        rows = late.vectors(late.ids)
        ids = np.concatenate([ids, late.ids])
        places = np.concatenate([places, drawn.axes.place(rows)])
        members = np.concatenate([members, nearest_centres(rows, drawn.centres)[0]])
    return _Placed(ids, places, members)


def _clusters(
    connection: Connection, found: Collection, drawn: DrawnMap, members: Groups
) -> list[MapCluster]:
    sizes = np.bincount(members, minlength=len(drawn.centres)).tolist()
    wanted = [passage for typical in drawn.typical for passage in typical]
    there = StoredPassages(connection, found.encoder_id, None).passages(wanted)
    return [
        MapCluster(
            passages=size,
            words=words if size else [],
            typical=[_typical(there[passage]) for passage in typical if passage in there],
        )
        for size, words, typical in zip(sizes, drawn.words, drawn.typical, strict=True)
    ]


def _typical(found: FoundPassage) -> TypicalPassage:
    passage = found.passage
    return TypicalPassage(
        passage.id, found.key, found.title, passage.heading, passage.ordinal, beginning(passage.text)
    )


def beginning(text: str) -> str:
    """Return as much of the beginning of a passage as is shown of it."""
    span = extract(text, [])
    return text[span.start : span.end]


def _colours(
    connection: Connection, found: Collection, colour: str, placed: _Placed, clusters: Sequence[MapCluster]
) -> Colours:
    if colour == BY_CLUSTER:
        groups = [MapGroup(", ".join(one.words[:LABEL_WORDS]), "cluster", one.passages) for one in clusters]
        return Colours(groups, placed.members)
    documents = passages.documents_by_passage(connection, found.id)
    return map_colours.by_field(column(connection, found.id, colour), documents, placed.ids)


def _points(placed: _Placed, groups: Groups, count: int) -> MapPoints:
    """Return at most ``count`` points, spread evenly over the passages."""
    chosen = evenly(np.arange(placed.ids.size), count)
    places = placed.places[chosen].astype(np.float64).round(DECIMALS)
    return MapPoints(
        placed.ids[chosen].tolist(), places[:, 0].tolist(), places[:, 1].tolist(), groups[chosen].tolist()
    )
