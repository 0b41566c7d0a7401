"""Token states that are missing: who makes them, a batch at a time, while searches and ingests go on.

Passages that an older version of the program stored or fitted an encoder on have none, and a model whose
means have changed makes all that are there worthless.  A batch is read outside of any transaction and stored
in a short one, so it may be killed at any moment: what is missing then is what is not stored.  Needs the
cache lock, so that nothing is made twice.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from indexer.chunking import passage_input
from indexer.fitted import has_states
from indexer.store import passages, token_states
from indexer.store.collections import Collection, encoders_of
from indexer.store.sessions import Database
from indexer.store.token_states import ReadPassage
from indexer.token_states import SLICE_TEXTS, codec_of, readings
from search.encoders.base import Encoder, TokenEncoder, token_encoder
from search.ranking.token_flaws import flaw

log = logging.getLogger(__name__)

_BLOCK_PASSAGES = 256


@dataclass(slots=True)
class _Place:
    """How far a collection has been gone through; before ``after`` no passage lacks states."""

    codec: str
    after: int = 0
    complete_at: int | None = None
    """The change number at which there was no passage left without states."""
    made: int = 0


class Filler:
    """Goes through the passages of collections once, and from then on through those that are new."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._places: dict[tuple[int, int], _Place] = {}
        """Collection and encoder -> how far."""

    def fill(self, collection: Collection, encoder: Encoder) -> bool:
        """Make the states of one batch of passages that lack them; return whether there was one.

        Costs nothing where nothing was stored since it last found nothing to do.

        Raises:
            UnknownCollection, UnknownEncoder: one of them was deleted in the meantime.
            ModelUnavailable: the encoder cannot be opened.
            StorageFull, StoreBusy: the batch is not stored.
        """
        teller = token_encoder(encoder)
        if teller is None:
            return False
        place = self._place(collection, codec_of(teller))
        if place.complete_at == collection.change_number:
            return False
        batch = self._next(collection, place)
        if batch:
            self._make(collection, teller, batch)
            place.after, place.made = batch[-1].id, place.made + len(batch)
        return bool(batch)

    def _place(self, collection: Collection, codec: str) -> _Place:
        key = (collection.id, collection.encoder_id)
        place = self._places.get(key)
        if place is None or place.codec != codec:
            place = self._places[key] = _Place(codec)
        return place

    def _next(self, collection: Collection, place: _Place) -> list[ReadPassage]:
        with self._database.read() as connection:
            batch = token_states.lacking(connection, collection, place.codec, place.after, SLICE_TEXTS)
            newest = passages.newest_id_of(connection, collection.id)
            count = (
                token_states.waiting(connection, collection, place.codec) if batch and not place.made else 0
            )
        if count:
            log.info("making the token states of %s: %d passages have none", collection.name, count)
        if not batch:
            if place.made:
                log.info("the token states of %s are made: %d passages", collection.name, place.made)
            place.after, place.complete_at, place.made = newest, collection.change_number, 0
        return batch

    def _make(self, collection: Collection, encoder: TokenEncoder, batch: list[ReadPassage]) -> None:
        inputs = {passage.id: input_of(passage) for passage in batch}
        read = readings(self._database, encoder, collection.encoder_id, list(inputs.values()))
        made = {passage: states for passage, text in inputs.items() if (states := read[text].states)}
        with self._database.write() as connection:
            token_states.replace(connection, collection, made)


def with_states(connection: Connection, found: Collection) -> list[Collection]:
    """Return a collection seen through each encoder that has token states and is searched by, own first."""
    return [seen for seen in encoders_of(connection, found) if seen.complete and has_states(seen)]


def by(seen: Collection, found: Collection) -> str:
    """Return which encoder's states a sentence tells of, where that is not the collection's own."""
    return "" if seen.encoder_id == found.encoder_id else f" by the encoder {seen.encoder}"


def input_of(passage: ReadPassage) -> str:
    """Return what an encoder reads of a passage."""
    return passage_input(passage.title, passage.heading, passage.text)


def flawed(
    connection: Connection, collection: Collection, encoder: TokenEncoder
) -> Iterator[tuple[int, str]]:
    """Yield id and flaw of the passages whose states are damaged; reads all states of a collection."""
    after = 0
    while block := token_states.having(connection, collection, codec_of(encoder), after, _BLOCK_PASSAGES):
        for passage in block:
            found = flaw(passage.states or b"", input_of(passage), encoder.dimension)
            if found:
                yield passage.id, found
        after = block[-1].id


def drop_flawed(database: Database, collection: Collection, encoder: Encoder) -> None:
    """Delete states that are damaged, so that they are made anew."""
    teller = token_encoder(encoder)
    if teller is None:
        return
    with database.read() as connection:
        damaged = [passage for passage, _ in flawed(connection, collection, teller)]
    if damaged:
        log.warning("damaged token states of %s are made anew: %d passages", collection.name, len(damaged))
        with database.write() as connection:
            token_states.remove(connection, collection, damaged)
