"""Learned attention: which kinds a collection has been trained in, and which of them ranks its answers."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.collections import Collection, lock
from indexer.store.tables import RankerRow


@dataclass(frozen=True, slots=True)
class TrainedRanker:
    """A learned attention as its row has it."""

    id: int
    kind: str
    folder: str
    fingerprint: str
    encoder_fingerprint: str
    codec: str
    figures: dict[str, Any]
    adopted: bool
    in_use: bool


_COLUMNS = sa.select(*(getattr(RankerRow, field.name) for field in fields(TrainedRanker)))
_IN_USE = _COLUMNS.where(
    RankerRow.collection_id == sa.bindparam("collection"),
    RankerRow.encoder_fingerprint == sa.bindparam("encoder"),
    RankerRow.in_use,
)


def in_use(connection: Connection, collection: Collection) -> TrainedRanker | None:
    """Return what ranks the answers of a collection by its encoder's states; None for simple attention."""
    row = connection.execute(
        _IN_USE, {"collection": collection.id, "encoder": collection.fingerprint}
    ).one_or_none()
    return None if row is None else TrainedRanker(*row)


def newest(connection: Connection, collection: Collection, kind: str) -> TrainedRanker | None:
    """Return what a collection was last trained to in one kind, if it was."""
    mine = (
        RankerRow.collection_id == collection.id,
        RankerRow.encoder_fingerprint == collection.fingerprint,
        RankerRow.kind == kind,
    )
    row = connection.execute(_COLUMNS.where(*mine).order_by(RankerRow.id.desc()).limit(1)).one_or_none()
    return None if row is None else TrainedRanker(*row)


def add(
    connection: Connection, collection: Collection, values: dict[str, Any], use: bool, now: datetime
) -> list[str]:
    """Note a learned attention, put it into use if it shall be, and forget those that nobody needs any more.

    Returns:
        Folders that no row names any longer.

    Raises:
        UnknownCollection: the collection was deleted in the meantime.
    """
    lock(connection, collection)
    if use:
        use_simple(connection, collection)
    row = sa.insert(RankerRow).values(collection_id=collection.id, in_use=use, created_at=now, **values)
    connection.execute(row)
    mine = RankerRow.collection_id == collection.id
    each = (RankerRow.encoder_fingerprint, RankerRow.kind)
    latest = sa.select(sa.func.max(RankerRow.id)).where(mine).group_by(*each)
    old = (mine, ~RankerRow.in_use, RankerRow.id.not_in(latest.scalar_subquery()))
    return list(connection.execute(sa.delete(RankerRow).where(*old).returning(RankerRow.folder)).scalars())


def use_simple(connection: Connection, collection: Collection) -> None:
    """Let simple attention rank a collection's answers by its encoder's states from now on."""
    mine = (
        RankerRow.collection_id == collection.id,
        RankerRow.encoder_fingerprint == collection.fingerprint,
    )
    connection.execute(sa.update(RankerRow).where(*mine).values(in_use=False))


def folders(connection: Connection, collection: Collection | None = None) -> Sequence[str]:
    """Return the folders that rows name, of one collection or of all."""
    query = sa.select(RankerRow.folder)
    if collection is not None:
        query = query.where(RankerRow.collection_id == collection.id)
    return list(connection.execute(query).scalars())
