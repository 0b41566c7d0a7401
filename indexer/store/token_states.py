"""The token states of passages: read for attention, counted and made where they are missing.

A passage that is stored brings its states with it.  Passages of an older version of the program have none,
and those of an encoder whose means have changed have states of another codec, which nobody reads: all of
these wait until they are read once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.collections import Collection, lock, require_encoder
from indexer.store.documents import PackedStates, Reading, in_slices
from indexer.store.tables import EmbeddingRow, PassageRow, TokenStatesRow


@dataclass(frozen=True, slots=True)
class ReadPassage:
    """A passage as an encoder reads it, by the arguments of ``passage_input``, and its states, if any."""

    id: int
    title: str
    heading: str
    text: str
    states: bytes | None


_STATES = sa.select(TokenStatesRow.passage_id, TokenStatesRow.states).where(
    TokenStatesRow.passage_id.in_(sa.bindparam("ids", expanding=True)),
    TokenStatesRow.encoder_id == sa.bindparam("encoder"),
    TokenStatesRow.codec == sa.bindparam("codec"),
)


def states_of(connection: Connection, encoder_id: int, codec: str, ids: Sequence[int]) -> dict[int, bytes]:
    """Return passage id -> packed states, for those of ``ids`` that have states in this codec."""
    found: dict[int, bytes] = {}
    for part in in_slices(ids):
        rows = connection.execute(_STATES, {"ids": part, "encoder": encoder_id, "codec": codec})
        found |= {passage: states for passage, states in rows.all()}
    return found


def waiting(connection: Connection, collection: Collection, codec: str) -> int:
    """Return how many passages of a collection have no states in this codec.

    Looks every passage up in an index, without reading states: 0.5 microseconds a passage, 50 ms for 100,000.
    Whoever asks at every search keeps the answer: a 0 for as long as codec and change number stay, since what
    is stored brings its states with it; any other number for some seconds, while somebody makes them.
    """
    query = (
        sa.select(sa.func.count(PassageRow.id))
        .outerjoin(TokenStatesRow, _theirs(collection, codec))
        .where(PassageRow.collection_id == collection.id, TokenStatesRow.passage_id.is_(None))
    )
    return connection.execute(query).scalar_one()


def lacking(
    connection: Connection, collection: Collection, codec: str, after: int, limit: int
) -> list[ReadPassage]:
    """Return the first passages after an id that have no states in this codec, by ascending id."""
    query = (
        sa.select(PassageRow.id, PassageRow.title, PassageRow.heading, PassageRow.text)
        .outerjoin(TokenStatesRow, _theirs(collection, codec))
        .where(
            PassageRow.collection_id == collection.id,
            PassageRow.id > after,
            TokenStatesRow.passage_id.is_(None),
        )
        .order_by(PassageRow.id)
        .limit(limit)
    )
    return [ReadPassage(*row, None) for row in connection.execute(query)]


def having(
    connection: Connection, collection: Collection, codec: str, after: int, limit: int
) -> list[ReadPassage]:
    """Return the first passages after an id that have states in this codec, by ascending id."""
    query = (
        sa.select(PassageRow.id, PassageRow.title, PassageRow.heading, PassageRow.text, TokenStatesRow.states)
        .join(TokenStatesRow, _theirs(collection, codec))
        .where(PassageRow.collection_id == collection.id, PassageRow.id > after)
        .order_by(PassageRow.id)
        .limit(limit)
    )
    return [ReadPassage(*row) for row in connection.execute(query)]


def replace(connection: Connection, collection: Collection, states: dict[int, PackedStates]) -> None:
    """Give passages their states in place of any they had; passages deleted meanwhile are left out.

    Raises:
        UnknownCollection, UnknownEncoder: one of them was deleted in the meantime.
    """
    lock(connection, collection)  # so that no passage goes between the look and the insert
    require_encoder(connection, collection)
    living = {
        passage
        for part in in_slices(list(states))
        for passage in connection.execute(sa.select(PassageRow.id).where(PassageRow.id.in_(part))).scalars()
    }
    remove(connection, collection, list(living))
    rows = [
        {
            "passage_id": passage,
            "encoder_id": collection.encoder_id,
            "codec": made.codec,
            "states": made.packed,
        }
        for passage, made in states.items()
        if passage in living
    ]
    if rows:
        connection.execute(sa.insert(TokenStatesRow), rows)


def remove(connection: Connection, collection: Collection, ids: Sequence[int]) -> None:
    """Delete the states of passages, which then wait for others."""
    for part in in_slices(ids):
        connection.execute(
            sa.delete(TokenStatesRow).where(
                TokenStatesRow.passage_id.in_(part), TokenStatesRow.encoder_id == collection.encoder_id
            )
        )


def known_readings(
    connection: Connection, encoder_id: int, codec: str | None, input_hashes: Sequence[str]
) -> dict[str, Reading]:
    """Return what this encoder made of inputs that it has read before, in any collection.

    One passage answers for each input: a text that is everywhere may have a hundred thousand.

    Args:
        connection: a transaction.
        encoder_id: whose readings.
        codec: only readings with states in this codec are known; None for vectors alone.
        input_hashes: of the inputs.
    """
    found: dict[str, Reading] = {}
    for part in in_slices(input_hashes):
        found |= _known(connection, encoder_id, codec, part)
    return found


def _known(
    connection: Connection, encoder_id: int, codec: str | None, input_hashes: Sequence[str]
) -> dict[str, Reading]:
    digests = sa.values(sa.column("input_hash", sa.String), name="asked")
    asked = digests.data([(digest,) for digest in input_hashes]).cte("asked")
    vector = sa.exists().where(
        EmbeddingRow.passage_id == PassageRow.id, EmbeddingRow.encoder_id == encoder_id
    )
    reader = sa.select(PassageRow.id).where(PassageRow.input_hash == asked.c.input_hash, vector).limit(1)
    if codec is not None:
        states = sa.exists().where(TokenStatesRow.passage_id == PassageRow.id, *_made_by(encoder_id, codec))
        reader = reader.where(states)
    readers = sa.select(asked.c.input_hash, reader.scalar_subquery().label("passage_id"))
    passages = {row.input_hash: row.passage_id for row in connection.execute(readers) if row.passage_id}
    ids = list(passages.values())
    vectors = sa.select(EmbeddingRow.passage_id, EmbeddingRow.vector).where(
        EmbeddingRow.passage_id.in_(ids), EmbeddingRow.encoder_id == encoder_id
    )
    vector_of = {row.passage_id: row.vector for row in connection.execute(vectors)}
    packed = states_of(connection, encoder_id, codec, ids) if codec is not None else {}
    return {
        digest: Reading(vector_of[passage], PackedStates(codec, packed[passage]) if codec else None)
        for digest, passage in passages.items()
    }


def _theirs(collection: Collection, codec: str) -> sa.ColumnElement[bool]:
    """Return what joins states to passages; SQLite answers NOT EXISTS by reading the states themselves."""
    return sa.and_(TokenStatesRow.passage_id == PassageRow.id, *_made_by(collection.encoder_id, codec))


def _made_by(encoder_id: int, codec: str) -> tuple[sa.ColumnElement[bool], ...]:
    return TokenStatesRow.encoder_id == encoder_id, TokenStatesRow.codec == codec
