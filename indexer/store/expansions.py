"""Expansions: in which modes further words are looked for in a collection, by its newest test."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.collections import Collection, lock
from indexer.store.tables import ExpansionRow
from search.model import Mode


@dataclass(frozen=True, slots=True)
class StoredExpansion:
    """An expansion as its row has it."""

    shares: dict[Mode, float]
    made_of: dict[str, str]
    figures: dict[str, Any]


_COLUMNS = sa.select(*(getattr(ExpansionRow, field.name) for field in fields(StoredExpansion)))
_OF_COLLECTION = _COLUMNS.where(ExpansionRow.collection_id == sa.bindparam("collection"))


def of_collection(connection: Connection, collection: Collection) -> StoredExpansion | None:
    """Return what the newest test of a collection found; None without one."""
    row = connection.execute(_OF_COLLECTION, {"collection": collection.id}).one_or_none()
    return None if row is None else StoredExpansion(*row)


def put(connection: Connection, collection: Collection, found: StoredExpansion, now: datetime) -> None:
    """Note what a test found, in place of what an earlier one had.

    Raises:
        UnknownCollection: the collection was deleted in the meantime.
    """
    lock(connection, collection)
    remove(connection, collection)
    values = {field.name: getattr(found, field.name) for field in fields(StoredExpansion)}
    row = sa.insert(ExpansionRow).values(collection_id=collection.id, created_at=now, **values)
    connection.execute(row)


def remove(connection: Connection, collection: Collection) -> None:
    """Forget what was found, so that questions are asked as they are."""
    connection.execute(sa.delete(ExpansionRow).where(ExpansionRow.collection_id == collection.id))
