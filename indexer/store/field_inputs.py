"""What an encoder that reads fields is handed: the fields of documents, for all passages of each the same."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store import later_vectors
from indexer.store.collections import Collection
from indexer.store.documents import in_slices
from indexer.store.fields import metadata_of
from indexer.store.tables import FieldRow, PassageRow
from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.document_fields import written


def learning_fields(connection: Connection, collection_id: int) -> Iterator[LearningPassage]:
    """Yield the fields of every document of a collection that has passages, in the order of documents."""
    query = sa.select(PassageRow.document_id).where(PassageRow.collection_id == collection_id).distinct()
    documents = connection.execute(query.order_by(PassageRow.document_id)).scalars().all()
    number = 0
    for part in in_slices(documents):
        metadata = metadata_of(connection, part)
        for document in part:
            yield LearningPassage(number, "", written(metadata[document]))
            number += 1


def lacking_fields(connection: Connection, seen: Collection, limit: int) -> dict[int, str]:
    """Return the first passages that have no vector by an encoder -> the fields of their documents."""
    ids = list(later_vectors.lacking(connection, seen, limit))
    query = sa.select(PassageRow.id, PassageRow.document_id).where(PassageRow.id.in_(ids))
    documents = {row.id: row.document_id for row in connection.execute(query)}
    metadata = metadata_of(connection, set(documents.values()))
    return {passage: written(metadata[documents[passage]]) for passage in ids}


def siblings(connection: Connection, passage_ids: list[int]) -> list[int]:
    """Return the ids of all passages of the documents that some passages belong to."""
    found: list[int] = []
    for part in in_slices(passage_ids):
        documents = sa.select(PassageRow.document_id).where(PassageRow.id.in_(part))
        query = sa.select(PassageRow.id).where(PassageRow.document_id.in_(documents))
        found += connection.execute(query).scalars().all()
    return sorted(set(found))


def kinds_of_fields(connection: Connection, collection_id: int) -> dict[str, set[str]]:
    """Return field -> the kinds of its values (text, integer, number, boolean, time), by name."""
    query = (
        sa.select(FieldRow.name, FieldRow.kind)
        .where(FieldRow.collection_id == collection_id, FieldRow.kind != "")
        .distinct()
    )
    found: dict[str, set[str]] = {}
    for name, kind in connection.execute(query.order_by(FieldRow.name)):
        found.setdefault(name, set()).add(kind)
    return found
