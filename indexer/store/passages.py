"""Passages and their vectors as searches and caches read them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.chunking import passage_input
from indexer.store.collections import Collection
from indexer.store.documents import in_slices
from indexer.store.fields import metadata_of
from indexer.store.storable import is_text
from indexer.store.tables import DocumentRow, EmbeddingRow, PassageRow
from indexer.store.token_states import states_of
from indexer.store.vector_bytes import unpacked
from search.arrays import Ids, Rows
from search.errors import UnknownPassage
from search.model import FoundPassage, PassageText

ID_MAX = 2**63 - 1
"""What a database can count to."""
_BLOCK_ROWS = 4096
"""Rows read at a time where a whole collection goes by: 6 MB of vectors."""


@dataclass(frozen=True, slots=True)
class IndexedText:
    """What the lexical index reads of a passage."""

    id: int
    title: str
    heading: str
    text: str


def count(connection: Connection, collection_id: int) -> int:
    """Return how many passages a collection holds."""
    query = sa.select(sa.func.count()).where(PassageRow.collection_id == collection_id)
    return connection.execute(query).scalar_one()


def all_ids(connection: Connection, collection_id: int) -> Ids:
    """Return the ids of all passages of a collection, ascending."""
    query = sa.select(PassageRow.id).where(PassageRow.collection_id == collection_id)
    return np.sort(np.fromiter(connection.execute(query).scalars(), dtype=np.int64))


def newest_id(connection: Connection) -> int:
    """Return the id of the passage that came last, 0 before there is one; ids only grow."""
    newest: int | None = connection.execute(sa.select(sa.func.max(PassageRow.id))).scalar()
    return newest or 0


def newest_id_of(connection: Connection, collection_id: int) -> int:
    """Return the id of the passage of a collection that came last, 0 before there is one."""
    query = sa.select(sa.func.max(PassageRow.id)).where(PassageRow.collection_id == collection_id)
    newest: int | None = connection.execute(query).scalar()
    return newest or 0


def vector_blocks(connection: Connection, seen: Collection) -> Iterator[tuple[Ids, Rows]]:
    """Yield all ids and raw vectors of a collection, by ascending id, a block at a time."""
    last = 0
    while True:
        rows = connection.execute(
            sa.select(PassageRow.id, EmbeddingRow.vector)
            .join(EmbeddingRow, EmbeddingRow.passage_id == PassageRow.id)
            .where(
                PassageRow.collection_id == seen.id,
                EmbeddingRow.encoder_id == seen.encoder_id,
                PassageRow.id > last,
            )
            .order_by(PassageRow.id)
            .limit(_BLOCK_ROWS)
        ).all()
        if not rows:
            return
        yield _unpacked(rows, seen)
        last = rows[-1].id


def vectors_of(connection: Connection, seen: Collection, ids: Sequence[int]) -> tuple[Ids, Rows]:
    """Return the raw vectors of the passages among ``ids`` that exist, by ascending id."""
    rows: list[Any] = []
    for part in in_slices(sorted(ids)):
        query = sa.select(EmbeddingRow.passage_id, EmbeddingRow.vector).where(
            EmbeddingRow.passage_id.in_(part), EmbeddingRow.encoder_id == seen.encoder_id
        )
        rows += connection.execute(query.order_by(EmbeddingRow.passage_id)).all()
    return _unpacked(rows, seen)


def _unpacked(rows: Sequence[Any], seen: Collection) -> tuple[Ids, Rows]:
    ids = np.array([row[0] for row in rows], dtype=np.int64)
    return ids, unpacked([row[1] for row in rows], seen.dimension, seen.sparse)


_INDEXED = (PassageRow.id, PassageRow.title, PassageRow.heading, PassageRow.text)


def indexed_texts(connection: Connection, ids: Sequence[int]) -> list[IndexedText]:
    """Return the texts of the passages among ``ids`` that exist, by ascending id."""
    found: list[IndexedText] = []
    for part in in_slices(sorted(ids)):
        query = sa.select(*_INDEXED).where(PassageRow.id.in_(part)).order_by(PassageRow.id)
        found += [IndexedText(*row) for row in connection.execute(query)]
    return found


def all_indexed_texts(connection: Connection, collection_id: int) -> Iterator[IndexedText]:
    """Yield the texts of all passages of a collection, by ascending id."""
    last = 0
    while block := indexed_texts_after(connection, collection_id, last):
        yield from block
        last = block[-1].id


def indexed_texts_after(connection: Connection, collection_id: int, last: int) -> list[IndexedText]:
    """Return the texts of some of a collection's passages, those whose ids follow ``last``; none at its end.

    For work on all of them that is too long for one transaction.
    """
    query = (
        sa.select(*_INDEXED)
        .where(PassageRow.collection_id == collection_id, PassageRow.id > last)
        .order_by(PassageRow.id)
        .limit(_BLOCK_ROWS)
    )
    return [IndexedText(*row) for row in connection.execute(query)]


def documents_by_passage(connection: Connection, collection_id: int) -> dict[int, int]:
    """Return passage id -> document id for all passages of a collection."""
    query = sa.select(PassageRow.id, PassageRow.document_id).where(PassageRow.collection_id == collection_id)
    return {row.id: row.document_id for row in connection.execute(query)}


def names_counted(connection: Connection, collection_id: int) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Return title -> how many documents have it, and path of headings -> how many passages have it."""
    documents, mine = (
        sa.func.count(sa.distinct(PassageRow.document_id)),
        PassageRow.collection_id == collection_id,
    )
    titles = sa.select(PassageRow.title, documents).where(mine).group_by(PassageRow.title)
    headings = sa.select(PassageRow.heading, sa.func.count()).where(mine).group_by(PassageRow.heading)
    by_title, by_heading = (
        {name: count for name, count in connection.execute(query)} for query in (titles, headings)
    )
    return by_title, by_heading


def chinese_ids(connection: Connection, collection_id: int, among: Sequence[int] | None = None) -> Ids:
    """Return the ids of a collection's Chinese passages, ascending; of those ``among`` given ids, if any."""
    query = sa.select(PassageRow.id).where(
        PassageRow.collection_id == collection_id, PassageRow.language == "zh"
    )
    if among is None:
        rows = connection.execute(query).scalars()
        return np.sort(np.fromiter(rows, dtype=np.int64))
    found = [
        passage
        for part in in_slices(among)
        for passage in connection.execute(query.where(PassageRow.id.in_(part))).scalars()
    ]
    return np.array(sorted(found), dtype=np.int64)


def under(connection: Connection, collection_id: int, keys: Sequence[str]) -> dict[str, list[int]]:
    """Return document key -> the ids of its passages, for the documents that exist."""
    found: dict[str, list[int]] = {}
    for part in in_slices([key for key in keys if is_text(key)]):
        query = (
            sa.select(DocumentRow.key, PassageRow.id)
            .join(PassageRow, PassageRow.document_id == DocumentRow.id)
            .where(DocumentRow.collection_id == collection_id, DocumentRow.key.in_(part))
        )
        for row in connection.execute(query):
            found.setdefault(row.key, []).append(row.id)
    return found


def require(connection: Connection, collection: Collection, ids: Sequence[int]) -> None:
    """Raise ``UnknownPassage`` unless the collection holds the passages ``ids``."""
    found: set[int] = set()
    for part in in_slices([passage for passage in ids if 0 < passage <= ID_MAX]):
        query = sa.select(PassageRow.id).where(
            PassageRow.collection_id == collection.id, PassageRow.id.in_(part)
        )
        found |= set(connection.execute(query).scalars())
    for passage in ids:
        if passage not in found:
            raise UnknownPassage(
                f"{collection.name!r} has no passage {passage}; a document that changes gets new passages, "
                "so search for it once more",
                passage=passage,
            )


_AMONG = PassageRow.id.in_(sa.bindparam("ids", expanding=True))
_DOCUMENTS = sa.select(PassageRow.id, PassageRow.document_id).where(_AMONG)
_TEXT_COLUMNS = tuple(PassageText.__dataclass_fields__)
_FOUND = (
    sa.select(
        *(getattr(PassageRow, name) for name in _TEXT_COLUMNS),
        PassageRow.document_id,
        PassageRow.title.label("encoded_title"),
        DocumentRow.key,
        DocumentRow.title.label("document_title"),
    )
    .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
    .where(_AMONG)
)


class StoredPassages:
    """The ``PassageSource`` of one search: reads within one transaction, so all it tells is of one state."""

    def __init__(self, connection: Connection, encoder_id: int, codec: str | None) -> None:
        """Read by ``connection``, and token states of one encoder in one codec (None: it has none)."""
        self._connection = connection
        self._encoder_id = encoder_id
        self._codec = codec

    def documents_of(self, passage_ids: Sequence[int]) -> Mapping[int, int]:
        """Return passage id -> document id for the passages that exist."""
        found: dict[int, int] = {}
        for part in in_slices(passage_ids):
            rows = self._connection.execute(_DOCUMENTS, {"ids": part})
            found |= {passage: document for passage, document in rows.all()}
        return found

    def passages(self, passage_ids: Sequence[int]) -> Mapping[int, FoundPassage]:
        """Return passage id -> the passage with its document's facts, for the passages that exist."""
        rows: list[Any] = []
        for part in in_slices(passage_ids):
            rows += self._connection.execute(_FOUND, {"ids": part}).all()
        metadata = metadata_of(self._connection, {row.document_id for row in rows})
        return {
            row.id: FoundPassage(
                passage=PassageText(*row[: len(_TEXT_COLUMNS)]),
                document_id=row.document_id,
                key=row.key,
                title=row.document_title,
                metadata=metadata[row.document_id],
                encoded=passage_input(row.encoded_title, row.heading, row.text),
            )
            for row in rows
        }

    def token_states(self, passage_ids: Sequence[int]) -> Mapping[int, bytes]:
        """Return passage id -> its token states, for the passages that have them in the codec."""
        if self._codec is None:
            return {}
        return states_of(self._connection, self._encoder_id, self._codec, passage_ids)
