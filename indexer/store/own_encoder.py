"""Which encoder is a collection's own: another one comes in beside it, takes its place, and gives it back.

Both are read by all that is stored from the moment the other comes in.  Taking the place is one transaction,
so whoever asks sees the vectors of one of them and never a mixture.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store import collections
from indexer.store.collections import Collection
from indexer.store.tables import CollectionEncoderRow, CollectionRow
from search.errors import InvalidInput

PREPARING, ENCODING, FOLDING, TESTING = "preparing the model", "encoding passages", "indexing", "testing"
STEPS = (PREPARING, ENCODING, FOLDING, TESTING)
"""Of a switch."""


def check_other(found: Collection, encoder: str) -> None:
    """Raise ``InvalidInput`` where a collection's own encoder is to be switched to itself."""
    if encoder in (found.encoder, collections.OWN):
        raise InvalidInput(
            f"{found.encoder} is the own encoder of {found.name!r} already; name another one",
            collection=found.name,
            encoder=found.encoder,
        )


def bring(connection: Connection, found: Collection, encoder_id: int, now: datetime) -> Collection:
    """Give a collection another pretrained encoder, by which nothing is searched before all is read by it.

    One that it has already stays as it is.

    Returns:
        The collection seen through it.

    Raises:
        UnknownCollection: it was deleted in the meantime.
    """
    collections.lock(connection, found)
    row = {"collection_id": found.id, "encoder_id": encoder_id}
    known = sa.select(CollectionEncoderRow.encoder_id).filter_by(**row)
    if connection.execute(known).scalar() is None:
        connection.execute(sa.insert(CollectionEncoderRow).values(complete=False, created_at=now, **row))
    return next(seen for seen in collections.encoders_of(connection, found) if seen.encoder_id == encoder_id)


def all_read(connection: Connection, seen: Collection) -> None:
    """Let searches use an encoder whose vectors are all there; needs the collection's lock.

    Raises:
        UnknownEncoder: it was removed in the meantime.
    """
    collections.require_encoder(connection, seen)
    connection.execute(_row(seen, seen.encoder_id).values(complete=True))


def adopt(connection: Connection, seen: Collection, now: datetime) -> None:
    """Make the encoder that ``seen`` names the collection's own, and the one before its former.

    The former one before that goes, with its vectors.

    Raises:
        UnknownCollection, UnknownEncoder: one of them was deleted in the meantime.
        InvalidInput: it has not read all passages.
    """
    collections.lock(connection, seen)
    collections.require_encoder(connection, seen)
    own, *others = collections.encoders_of(connection, seen)
    if own.encoder_id == seen.encoder_id:
        return
    if not any(other.encoder_id == seen.encoder_id and other.complete for other in others):
        raise InvalidInput(
            f"the encoder {seen.encoder} has not read all passages of {seen.name!r}; "
            f"`xunyi encoders switch {seen.encoder} -c {seen.name}` goes on"
        )
    before = former(connection, own)
    if before is not None and before.encoder_id != seen.encoder_id:
        collections.remove_encoder(connection, own, before.encoder_id)
    connection.execute(_row(own, own.encoder_id).values(replaced_at=now))
    connection.execute(_row(own, seen.encoder_id).values(replaced_at=None))
    mine = sa.update(CollectionRow).where(CollectionRow.id == own.id)
    connection.execute(mine.values(encoder_id=seen.encoder_id))


def former(connection: Connection, found: Collection) -> Collection | None:
    """Return a collection seen through the encoder that was its own before; None where there was none."""
    replaced = sa.select(CollectionEncoderRow.encoder_id).where(
        CollectionEncoderRow.collection_id == found.id, CollectionEncoderRow.replaced_at.is_not(None)
    )
    before = connection.execute(replaced).scalar_one_or_none()
    others = collections.encoders_of(connection, found)
    return next((seen for seen in others if seen.encoder_id == before), None)


def roll_back(connection: Connection, found: Collection, now: datetime) -> Collection:
    """Make the former encoder a collection's own again, and its present one the former; return it.

    Raises:
        UnknownCollection: it was deleted in the meantime.
        InvalidInput: there is no former encoder, or it has not read all passages.
    """
    collections.lock(connection, found)
    before = former(connection, found)
    if before is None:
        raise InvalidInput(
            f"{found.name!r} has no former encoder to go back to; `xunyi encoders -c {found.name}` lists "
            "those it has",
            collection=found.name,
        )
    adopt(connection, before, now)
    return before


def _row(seen: Collection, encoder_id: int) -> sa.Update:
    return sa.update(CollectionEncoderRow).where(
        CollectionEncoderRow.collection_id == seen.id, CollectionEncoderRow.encoder_id == encoder_id
    )
