"""The lexical index of a collection on disk: which folder holds it, and how it follows the log.

Its writer publishes one checked snapshot after another; each holds a marker document that says up to which
change it goes.  Only the holder of the cache lock writes.  The row in SQL names the folder and the same
change; where the two differ for longer than a write takes, the index is of another past and is made anew.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.generations import remove_folder
from indexer.store import changes, collections, passages
from indexer.store.collections import Collection
from indexer.store.passages import IndexedText
from indexer.store.sessions import Database
from indexer.store.tables import ChangeRow, DocumentRow, LexicalCacheRow, PassageRow
from search.artifacts import DamagedArtifact
from search.lexical.tantivy_index import TantivyIndex, TantivyWriter
from search.text.analyzer import Analyzer

_REBUILT_BEYOND = 100_000
"""Changes beyond which the rows are read anew, in order, instead of being picked by the log."""

log = logging.getLogger(__name__)


class Unnoted(DamagedArtifact):
    """The index on disk goes to another change than its row says.

    For an instant that is so between a snapshot and its row.  If it lasts, the process that wrote it died
    there, or the database was put back to an older state, and the index may hold other passages.
    """


def terms_of(analyzer: Analyzer, passage: IndexedText) -> list[str]:
    """Return the analysed words of a passage: its title and headings count as its own."""
    return [term for text in (passage.title, passage.heading, passage.text) for term in analyzer.terms(text)]


_OF_COLLECTION = sa.select(LexicalCacheRow.__table__).where(
    LexicalCacheRow.collection_id == sa.bindparam("collection")
)


def row_of(connection: Connection, collection_id: int) -> LexicalCacheRow | None:
    """Return which folder holds the index, or None when there is none yet."""
    row = connection.execute(_OF_COLLECTION, {"collection": collection_id}).one_or_none()
    return None if row is None else LexicalCacheRow(**row._mapping)


def behind_since(connection: Connection, collection: Collection) -> datetime | None:
    """Return when the oldest of the documents was stored that the index does not hold yet; None for none."""
    row = row_of(connection, collection.id)
    late = (
        sa.select(sa.func.min(DocumentRow.updated_at))
        .join(PassageRow, PassageRow.document_id == DocumentRow.id)
        .join(ChangeRow, ChangeRow.passage_id == PassageRow.id)
        .where(ChangeRow.collection_id == collection.id, ChangeRow.number > (row.covers if row else 0))
    )
    return connection.execute(late).scalar_one()


def open_index(caches: Path, row: LexicalCacheRow, analyzer: Analyzer) -> TantivyIndex:
    """Open the index for searching.

    Raises:
        Unnoted: it does not go to the change that its row says.
        DamagedArtifact: it was found damaged, its files differ from their checksums, or it was made by
            another analyzer.
    """
    if row.damaged:
        raise DamagedArtifact("the lexical index was found damaged before")
    if row.analyzer != analyzer.version:
        raise DamagedArtifact("the lexical index was made by another analyzer")
    index = TantivyIndex.open(caches / row.folder)
    if index.marker != row.covers:
        raise Unnoted(f"the lexical index goes to change {index.marker}, its row says {row.covers}")
    return index


def index_in_memory(connection: Connection, collection: Collection, analyzer: Analyzer) -> TantivyIndex:
    """Build the whole index in memory from the rows: what answers while the one on disk is damaged."""
    return TantivyIndex.in_memory(
        (
            (text.id, terms_of(analyzer, text))
            for text in passages.all_indexed_texts(connection, collection.id)
        ),
        covers=collection.change_number,
    )


def mark_damaged(database: Database, found: LexicalCacheRow) -> None:
    """Note that the index of a row cannot be trusted, so that the keeper makes a new one.

    A row that has gone on in the meantime speaks of another index, and is left as it is.
    """
    with database.write() as connection:
        row = sa.update(LexicalCacheRow).where(
            LexicalCacheRow.collection_id == found.collection_id,
            LexicalCacheRow.folder == found.folder,
            LexicalCacheRow.covers == found.covers,
        )
        connection.execute(row.values(damaged=True))


def inspect(database: Database, caches: Path, collection: Collection, analyzer: Analyzer) -> None:
    """Open the index once with all its checksums, and note it when it is damaged."""
    with database.read() as connection:
        row = row_of(connection, collection.id)
    if row is None or row.damaged:
        return
    try:
        open_index(caches, row, analyzer)
    except DamagedArtifact as damage:
        log.warning("the lexical index of %s is made anew: %s", collection.name, damage)
        mark_damaged(database, row)


def follow(database: Database, caches: Path, collection: Collection, analyzer: Analyzer) -> bool:
    """Bring the index up to the collection's newest change; return whether there was anything to do.

    An index that is missing, damaged or of another analyzer is made anew in a folder of its own, and
    the old folder goes.  Needs the cache lock.
    """
    with database.read() as connection:
        row = row_of(connection, collection.id)
    if row is None or row.damaged or row.analyzer != analyzer.version:
        _rebuild(database, caches, collection, analyzer)
    elif row.covers == collection.change_number:
        return False
    elif collection.change_number - row.covers > _REBUILT_BEYOND:
        _rebuild(database, caches, collection, analyzer)
    else:
        try:
            _advance(database, caches, collection, analyzer, row)
        except (DamagedArtifact, changes.LogPruned):
            _rebuild(database, caches, collection, analyzer)
    return True


def _advance(
    database: Database, caches: Path, collection: Collection, analyzer: Analyzer, row: LexicalCacheRow
) -> None:
    with TantivyWriter.open(caches / row.folder) as writer, database.read() as connection:
        if writer.marker != row.covers:
            raise Unnoted(f"the lexical index goes to change {writer.marker}, its row says {row.covers}")
        newest = collections.newest_change(connection, collection)
        if writer.marker != newest:
            change = changes.since(connection, collection.id, writer.marker, newest)
            added = _analysed(analyzer, _texts(connection, change.added.tolist()))
            writer.apply(added, change.removed.tolist(), covers=newest)
    _note(database, collection, row.folder, analyzer, newest)


def _rebuild(database: Database, caches: Path, collection: Collection, analyzer: Analyzer) -> None:
    folder = f"lexical-{collection.id}-{uuid4().hex[:12]}"
    (caches / folder).mkdir(parents=True)
    with TantivyWriter.create(caches / folder) as writer, database.read() as connection:
        newest = collections.newest_change(connection, collection)
        texts = passages.all_indexed_texts(connection, collection.id)
        writer.apply(_analysed(analyzer, texts), [], covers=newest)
    _note(database, collection, folder, analyzer, newest)
    for old in caches.glob(f"lexical-{collection.id}-*"):
        if old.name != folder:
            remove_folder(old)


def _texts(connection: Connection, ids: list[int]) -> Iterator[IndexedText]:
    for start in range(0, len(ids), 1000):
        yield from passages.indexed_texts(connection, ids[start : start + 1000])


def _analysed(analyzer: Analyzer, texts: Iterable[IndexedText]) -> Iterator[tuple[int, list[str]]]:
    return ((text.id, terms_of(analyzer, text)) for text in texts)


def _note(database: Database, collection: Collection, folder: str, analyzer: Analyzer, covers: int) -> None:
    values = {"folder": folder, "analyzer": analyzer.version, "covers": covers, "damaged": False}
    mine = LexicalCacheRow.collection_id == collection.id
    with database.write() as connection:
        collections.lock(connection, collection)
        changed = connection.execute(sa.update(LexicalCacheRow).where(mine).values(**values))
        if not changed.rowcount:
            connection.execute(sa.insert(LexicalCacheRow).values(collection_id=collection.id, **values))
        changes.prune(connection, collection.id)
