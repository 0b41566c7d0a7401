"""The vectors of encoders that came to a collection later: which are missing, and those that are made.

A passage that is stored brings its vectors with it, by all encoders the collection has at that moment; those
that were there before an encoder came are read afterwards, a batch at a time.
"""

from collections.abc import Iterator, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.chunking import context, passage_input
from indexer.store.collections import Collection, lock, require_encoder
from indexer.store.documents import Reading, in_slices, insert_readings
from indexer.store.tables import EmbeddingRow, PassageRow
from search.encoders.fitted.base import LearningPassage

_BLOCK_ROWS = 4096


def learning_passages(connection: Connection, collection_id: int) -> Iterator[LearningPassage]:
    """Yield all passages of a collection, document by document, each in reading order."""
    columns = (
        PassageRow.document_id,
        PassageRow.ordinal,
        PassageRow.title,
        PassageRow.heading,
        PassageRow.text,
    )
    place = sa.tuple_(PassageRow.document_id, PassageRow.ordinal)
    last = (0, -1)
    numbers: dict[int, int] = {}
    while True:
        rows = connection.execute(
            sa.select(*columns)
            .where(PassageRow.collection_id == collection_id, place > last)
            .order_by(PassageRow.document_id, PassageRow.ordinal)
            .limit(_BLOCK_ROWS)
        ).all()
        if not rows:
            return
        for row in rows:
            heading = "\n".join(filter(None, context(row.title, row.heading)))
            yield LearningPassage(numbers.setdefault(row.document_id, len(numbers)), heading, row.text)
        last = (rows[-1].document_id, rows[-1].ordinal)


def lacking(connection: Connection, seen: Collection, limit: int) -> dict[int, str]:
    """Return the first passages that have no vector by an encoder -> what it reads of each."""
    vector = sa.exists().where(
        EmbeddingRow.passage_id == PassageRow.id, EmbeddingRow.encoder_id == seen.encoder_id
    )
    query = (
        sa.select(PassageRow.id, PassageRow.title, PassageRow.heading, PassageRow.text)
        .where(PassageRow.collection_id == seen.id, ~vector)
        .order_by(PassageRow.id)
        .limit(limit)
    )
    return {row.id: passage_input(row.title, row.heading, row.text) for row in connection.execute(query)}


def missing(connection: Connection, seen: Collection) -> int:
    """Return how many passages have no vector by an encoder."""
    there = (
        sa.select(sa.func.count())
        .select_from(EmbeddingRow)
        .join(PassageRow, PassageRow.id == EmbeddingRow.passage_id)
        .where(PassageRow.collection_id == seen.id, EmbeddingRow.encoder_id == seen.encoder_id)
    )
    everything = sa.select(sa.func.count()).where(PassageRow.collection_id == seen.id)
    return connection.execute(everything).scalar_one() - connection.execute(there).scalar_one()


def add(connection: Connection, seen: Collection, made: Mapping[int, Reading]) -> None:
    """Give passages what an encoder made of them; those deleted or read meanwhile are left out.

    Raises:
        UnknownCollection, UnknownEncoder: one of them was deleted in the meantime.
    """
    lock(connection, seen)  # so that no passage goes between the look and the insert
    require_encoder(connection, seen)
    waiting: set[int] = set()
    for part in in_slices(list(made)):
        living = sa.select(PassageRow.id).where(PassageRow.id.in_(part))
        there = sa.select(EmbeddingRow.passage_id).where(
            EmbeddingRow.passage_id.in_(part), EmbeddingRow.encoder_id == seen.encoder_id
        )
        waiting |= set(connection.execute(living).scalars()) - set(connection.execute(there).scalars())
    places = [{"passage_id": passage, "encoder_id": seen.encoder_id} for passage in sorted(waiting)]
    insert_readings(connection, [(place, made[place["passage_id"]]) for place in places])
