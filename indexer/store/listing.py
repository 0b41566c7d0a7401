"""Documents as a reader of the collection sees them: pages of summaries, and one document whole."""

import posixpath
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from indexer.records import DocumentDetail, DocumentPage, DocumentSummary, PassagePlace
from indexer.store.collections import Collection
from indexer.store.fields import metadata_of
from indexer.store.storable import is_text
from indexer.store.tables import DocumentRow, PassageRow
from search.errors import InvalidInput, UnknownDocument
from search.model import MetadataValue
from search.registry import nearest

KEYS_LIKE = 3
KEYS_COMPARED = 1000
KEY_COMPARED_MAX = 200
"""Comparing the spelling of longer keys would take long, and nobody types them."""


def page(
    connection: Connection, collection: Collection, limit: int, after: str | None, matching: Any
) -> DocumentPage:
    """Return up to ``limit`` documents after the key ``after`` that meet the condition ``matching``.

    Raises:
        InvalidInput: ``after`` can be no key.
    """
    if after is not None and not is_text(after):
        raise InvalidInput("this is no cursor; give the next_cursor of the page before")
    mine = sa.and_(DocumentRow.collection_id == collection.id, matching)
    total = connection.execute(sa.select(sa.func.count()).where(mine)).scalar_one()
    query = _summaries().where(mine).order_by(DocumentRow.key).limit(limit + 1)
    if after is not None:
        query = query.where(DocumentRow.key > after)
    rows = connection.execute(query).all()
    metadata = metadata_of(connection, [row.id for row in rows[:limit]])
    documents = [_summary(row, metadata[row.id]) for row in rows[:limit]]
    return DocumentPage(documents, total, documents[-1].key if len(rows) > limit else None)


def keys_like(connection: Connection, collection: Collection, key: str) -> list[str]:
    """Return up to three keys that ``key`` may be a slip for: they hold its last part, or are spelt alike.

    Spelling is compared with the first thousand keys alone, which takes milliseconds.
    """
    name = posixpath.basename(key.rstrip("/"))
    mine = (
        sa.select(DocumentRow.key).where(DocumentRow.collection_id == collection.id).order_by(DocumentRow.key)
    )
    if not name or not is_text(key) or len(key) > KEY_COMPARED_MAX:
        return []
    holding = mine.where(DocumentRow.key.icontains(name, autoescape=True)).limit(KEYS_LIKE)
    found = list(connection.execute(holding).scalars())
    return found or nearest(key, connection.execute(mine.limit(KEYS_COMPARED)).scalars())


def detail(connection: Connection, collection: Collection, key: str) -> DocumentDetail:
    """Return one document whole; raise ``UnknownDocument`` when nothing is stored under ``key``."""
    query = _summaries().add_columns(DocumentRow.text)
    mine = query.where(DocumentRow.collection_id == collection.id, DocumentRow.key == key)
    row = connection.execute(mine).one_or_none() if is_text(key) else None
    if row is None:
        raise UnknownDocument(
            f"nothing is stored under the key {key[:200]!r} in {collection.name!r}",
            collection=collection.name,
            key=key[:200],
        )
    columns = [getattr(PassageRow, name) for name in PassagePlace.__dataclass_fields__]
    places = sa.select(*columns).where(PassageRow.document_id == row.id).order_by(PassageRow.ordinal)
    passages = [PassagePlace(*place) for place in connection.execute(places)]
    return DocumentDetail(_summary(row, metadata_of(connection, [row.id])[row.id]), row.text, passages)


def _summaries() -> sa.Select[Any]:
    passages = (
        sa.select(sa.func.count())
        .where(PassageRow.document_id == DocumentRow.id)
        .correlate(DocumentRow)
        .scalar_subquery()
    )
    return sa.select(
        DocumentRow.id,
        DocumentRow.key,
        DocumentRow.title,
        DocumentRow.source,
        DocumentRow.media_type,
        DocumentRow.language,
        sa.func.length(DocumentRow.text).label("characters"),
        passages.label("passages"),
        DocumentRow.authored_at,
        DocumentRow.modified_at,
        DocumentRow.created_at,
        DocumentRow.updated_at,
    )


def _summary(row: Row[Any], metadata: Mapping[str, MetadataValue]) -> DocumentSummary:
    return DocumentSummary(
        key=row.key,
        title=row.title,
        source=row.source,
        media_type=row.media_type,
        language=row.language,
        characters=row.characters,
        passages=row.passages,
        authored_at=row.authored_at,
        modified_at=row.modified_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
        metadata=metadata,
    )
