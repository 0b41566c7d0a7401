"""Documents and their passages: stored, replaced, deleted.

A passage is immutable.  A changed document keeps its row and loses its passages to new ones, and each
passage that comes or goes is logged in the same transaction.  The commit is the acknowledgement.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from indexer.records import Deleted, DocumentOutcome, Stored, StoredOver
from indexer.store import changes, collections
from indexer.store.collections import Collection, lock
from indexer.store.fields import rows_of
from indexer.store.storable import is_text
from indexer.store.tables import DocumentRow, EmbeddingRow, FieldRow, PassageRow, TokenStatesRow
from search.model import MetadataValue

_VARIABLES_MAX = 500
"""Values bound in one statement; both databases allow far more, but plans stay small."""


@dataclass(frozen=True, slots=True)
class PackedStates:
    """The token states of a passage as they are stored, and how the bytes were made."""

    codec: str
    packed: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """What an encoder made of a text: its raw vector (float32, little-endian) and states, if any."""

    vector: bytes
    states: PackedStates | None


@dataclass(frozen=True, slots=True)
class PreparedPassage:
    """A passage ready to be stored, with its raw vector (float32, little-endian)."""

    start: int
    end: int
    text: str
    heading: str
    page: int | None
    language: str
    input_hash: str
    vector: bytes
    states: PackedStates | None = None
    """None where they are not made yet, or the encoder has none."""
    others: Mapping[int, Reading] = field(default_factory=dict)
    """What the collection's other encoders make of it."""


@dataclass(frozen=True, slots=True)
class PreparedDocument:
    """A document ready to be stored: read, cut and encoded."""

    key: str
    title: str
    source: str
    origin: str | None
    media_type: str
    language: str
    text: str
    content_hash: str
    authored_at: datetime | None = None
    modified_at: datetime | None = None
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)
    passages: Sequence[PreparedPassage] | None = None
    """None for a document that was found stored unchanged, and so was not encoded."""


class ChangedMeanwhile(Exception):
    """A document that was found unchanged, or the collection's encoders, were changed by another process."""


def in_slices(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut what is to be bound to a statement into slices that any database takes."""
    for start in range(0, len(values), _VARIABLES_MAX):
        yield values[start : start + _VARIABLES_MAX]


def content_hashes(connection: Connection, collection_id: int, keys: Sequence[str]) -> dict[str, str]:
    """Return the content hash of each of ``keys`` that is stored."""
    return {key: known.content_hash for key, known in _known(connection, collection_id, keys).items()}


def _known(connection: Connection, collection_id: int, keys: Sequence[str]) -> dict[str, Row[Any]]:
    found: dict[str, Row[Any]] = {}
    for part in in_slices([key for key in keys if is_text(key)]):
        query = sa.select(
            DocumentRow.key, DocumentRow.id, DocumentRow.content_hash, DocumentRow.source, DocumentRow.origin
        ).where(DocumentRow.collection_id == collection_id, DocumentRow.key.in_(part))
        found |= {row.key: row for row in connection.execute(query)}
    return found


def store(
    connection: Connection,
    collection: Collection,
    documents: Sequence[PreparedDocument],
    now: datetime,
    others: Mapping[int, bool] | None = None,
) -> list[Stored]:
    """Store documents of distinct keys and return what became of each, in their order.

    A document whose content hash is stored already is left alone, but for where it came from.

    Args:
        connection: of a write transaction.
        collection: where to, seen through its own encoder.
        documents: read, cut and encoded.
        now: the time.
        others: the collection's other encoders -> whether the passages bring their vectors; one whose files
            are damaged makes none, and is searched by no longer.

    Raises:
        ChangedMeanwhile: a document without passages is no longer stored unchanged, or the collection has
            other encoders now; nothing is stored.
    """
    last = lock(connection, collection)
    others = others or {}
    if not collections.reads_as(connection, collection, others):
        raise ChangedMeanwhile
    known = _known(connection, collection.id, [document.key for document in documents])
    fresh = [document for document in documents if document.key not in known]
    changed = [
        document
        for document in documents
        if document.key in known and known[document.key].content_hash != document.content_hash
    ]
    if any(document.passages is None for document in fresh + changed):
        raise ChangedMeanwhile
    same = {document.key for document in documents} - {document.key for document in fresh + changed}
    _note_origins(connection, known, [document for document in documents if document.key in same])

    ids = _insert(connection, collection.id, fresh, now)
    ids |= {document.key: known[document.key].id for document in changed}
    removed = _clear(connection, [known[document.key].id for document in changed])
    _update(connection, known, changed, now)
    added = _insert_contents(connection, collection, ids, fresh + changed)
    unread = [encoder for encoder, brought in others.items() if added and not brought]
    if unread:
        collections.incomplete(connection, collection, unread)
    changes.record(connection, collection.id, last, removed, added)

    new = {document.key for document in fresh}
    return [
        _stored(document, known.get(document.key), _outcome(document.key, new, same))
        for document in documents
    ]


def _outcome(key: str, new: set[str], same: set[str]) -> DocumentOutcome:
    if key in same:
        return "unchanged"
    return "created" if key in new else "updated"


def _stored(document: PreparedDocument, before: Row[Any] | None, outcome: DocumentOutcome) -> Stored:
    fate = Stored(document.key, outcome, len(document.passages or ()))
    if before is None or outcome != "updated" or before.origin is None or document.origin is None:
        return fate
    if before.origin == document.origin:
        return fate
    return StoredOver(fate.key, fate.outcome, fate.passages, before.source, before.origin)


def _note_origins(
    connection: Connection, known: Mapping[str, Row[Any]], documents: Sequence[PreparedDocument]
) -> None:
    for document in documents:
        row = known[document.key]
        if (row.source, row.origin) != (document.source, document.origin):
            moved = sa.update(DocumentRow).where(DocumentRow.id == row.id)
            connection.execute(moved.values(source=document.source, origin=document.origin))


def _columns(document: PreparedDocument) -> dict[str, Any]:
    return {
        "title": document.title,
        "source": document.source,
        "origin": document.origin,
        "media_type": document.media_type,
        "language": document.language,
        "text": document.text,
        "content_hash": document.content_hash,
        "authored_at": document.authored_at,
        "modified_at": document.modified_at,
    }


def _insert(
    connection: Connection, collection_id: int, documents: Sequence[PreparedDocument], now: datetime
) -> dict[str, int]:
    if not documents:
        return {}
    values = [
        _columns(document)
        | {"collection_id": collection_id, "key": document.key, "created_at": now, "updated_at": now}
        for document in documents
    ]
    made = connection.execute(sa.insert(DocumentRow).returning(DocumentRow.key, DocumentRow.id), values)
    return {row.key: row.id for row in made}


def _update(
    connection: Connection,
    known: Mapping[str, Row[Any]],
    documents: Sequence[PreparedDocument],
    now: datetime,
) -> None:
    for document in documents:
        row = sa.update(DocumentRow).where(DocumentRow.id == known[document.key].id)
        connection.execute(row.values(updated_at=now, **_columns(document)))


def _clear(connection: Connection, document_ids: Sequence[int]) -> list[int]:
    """Delete the fields and passages of documents; return the ids of the passages."""
    removed: list[int] = []
    for part in in_slices(document_ids):
        passages = sa.select(PassageRow.id).where(PassageRow.document_id.in_(part)).order_by(PassageRow.id)
        removed += connection.execute(passages).scalars()
        connection.execute(sa.delete(FieldRow).where(FieldRow.document_id.in_(part)))
        connection.execute(sa.delete(PassageRow).where(PassageRow.document_id.in_(part)))
    return removed


def _insert_contents(
    connection: Connection,
    collection: Collection,
    ids: Mapping[str, int],
    documents: Sequence[PreparedDocument],
) -> list[int]:
    """Insert the fields, passages, vectors and states of documents; return the ids of the passages."""
    fields = [
        row for document in documents for row in rows_of(collection.id, ids[document.key], document.metadata)
    ]
    if fields:
        connection.execute(sa.insert(FieldRow), fields)
    pairs = [(document, passage) for document in documents for passage in document.passages or ()]
    if not pairs:
        return []
    places: dict[int, int] = {}
    values = []
    for document, passage in pairs:
        document_id = ids[document.key]
        ordinal = places.get(document_id, 0)
        places[document_id] = ordinal + 1
        values.append(_passage_values(collection.id, document_id, ordinal, document.title, passage))
    returning = sa.insert(PassageRow).returning(PassageRow.id, sort_by_parameter_order=True)
    added = list(connection.execute(returning, values).scalars())
    _insert_readings(connection, collection.encoder_id, added, [passage for _, passage in pairs])
    return added


def _insert_readings(
    connection: Connection, encoder_id: int, ids: Sequence[int], passages: Sequence[PreparedPassage]
) -> None:
    """Insert what the collection's encoders made of passages."""
    places = [{"passage_id": passage_id, "encoder_id": encoder_id} for passage_id in ids]
    pairs = list(zip(places, passages, strict=True))
    made = [(place, Reading(passage.vector, passage.states)) for place, passage in pairs]
    made += [
        ({"passage_id": place["passage_id"], "encoder_id": encoder}, reading)
        for place, passage in pairs
        for encoder, reading in passage.others.items()
    ]
    insert_readings(connection, made)


def insert_readings(connection: Connection, made: Sequence[tuple[dict[str, int], Reading]]) -> None:
    """Insert what encoders made of passages, each with its place: passage and encoder."""
    if made:
        vectors = [place | {"vector": reading.vector} for place, reading in made]
        connection.execute(sa.insert(EmbeddingRow), vectors)
    states = [
        place | {"codec": reading.states.codec, "states": reading.states.packed}
        for place, reading in made
        if reading.states is not None
    ]
    if states:
        connection.execute(sa.insert(TokenStatesRow), states)


def _passage_values(
    collection_id: int, document_id: int, ordinal: int, title: str, passage: PreparedPassage
) -> dict[str, Any]:
    return {
        "collection_id": collection_id,
        "document_id": document_id,
        "ordinal": ordinal,
        "title": title,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "heading": passage.heading,
        "page": passage.page,
        "language": passage.language,
        "input_hash": passage.input_hash,
    }


def not_newer(connection: Connection, collection_id: int, keys: Sequence[str], passage_id: int) -> list[str]:
    """Return those of ``keys`` whose document came from a file and has no passage after ``passage_id``."""
    newest = (
        sa.select(sa.func.max(PassageRow.id))
        .where(PassageRow.document_id == DocumentRow.id)
        .correlate(DocumentRow)
        .scalar_subquery()
    )
    found: list[str] = []
    for part in in_slices(keys):
        query = sa.select(DocumentRow.key).where(
            DocumentRow.collection_id == collection_id,
            DocumentRow.key.in_(part),
            DocumentRow.origin.is_not(None),
            newest <= passage_id,
        )
        found += connection.execute(query).scalars()
    return found


def delete(connection: Connection, collection: Collection, keys: Sequence[str]) -> Deleted:
    """Delete the documents under ``keys``; none of them is ever found again."""
    last = lock(connection, collection)
    known = _known(connection, collection.id, keys)
    ids = [row.id for row in known.values()]
    removed = _clear(connection, ids)
    for part in in_slices(ids):
        connection.execute(sa.delete(DocumentRow).where(DocumentRow.id.in_(part)))
    changes.record(connection, collection.id, last, removed, [])
    asked = list(dict.fromkeys(keys))
    return Deleted([key for key in asked if key in known], [key for key in asked if key not in known])


def read_from_files(connection: Connection, collection_id: int) -> Iterator[tuple[str, str]]:
    """Yield key and origin of the documents that an ingest read from files, by ascending key."""
    query = (
        sa.select(DocumentRow.key, DocumentRow.origin)
        .where(DocumentRow.collection_id == collection_id, DocumentRow.origin.is_not(None))
        .order_by(DocumentRow.key)
        .execution_options(yield_per=1000)
    )
    for key, origin in connection.execute(query):
        yield key, str(origin)
