"""Fitted mixes: what weighs beside attention in a collection, by its judged questions."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.collections import Collection, lock
from indexer.store.tables import MixRow


@dataclass(frozen=True, slots=True)
class StoredMix:
    """A fitted mix as its row has it."""

    id: int
    weights: dict[str, float]
    made_of: dict[str, str]
    figures: dict[str, Any]
    adopted: bool
    in_use: bool


_COLUMNS = sa.select(*(getattr(MixRow, field.name) for field in fields(StoredMix)))
_IN_USE = _COLUMNS.where(MixRow.collection_id == sa.bindparam("collection"), MixRow.in_use)


def in_use(connection: Connection, collection: Collection) -> StoredMix | None:
    """Return what ranks the answers of a collection; None for the usual mix."""
    row = connection.execute(_IN_USE, {"collection": collection.id}).one_or_none()
    return None if row is None else StoredMix(*row)


def add(
    connection: Connection, collection: Collection, values: dict[str, Any], use: bool, now: datetime
) -> None:
    """Note a fitted mix, put it into use if it shall be, and forget those that nobody needs any more.

    Raises:
        UnknownCollection: the collection was deleted in the meantime.
    """
    lock(connection, collection)
    if use:
        use_usual(connection, collection)
    row = sa.insert(MixRow).values(collection_id=collection.id, in_use=use, created_at=now, **values)
    newest = connection.execute(row.returning(MixRow.id)).scalar_one()
    mine = MixRow.collection_id == collection.id
    connection.execute(sa.delete(MixRow).where(mine, ~MixRow.in_use, MixRow.id != newest))


def use_usual(connection: Connection, collection: Collection) -> None:
    """Let the usual mix rank a collection's answers from now on."""
    mine = MixRow.collection_id == collection.id
    connection.execute(sa.update(MixRow).where(mine).values(in_use=False))
