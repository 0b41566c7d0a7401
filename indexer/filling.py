"""What an encoder makes of the passages that were there before it came to their collection.

A batch is read outside of any transaction and stored in a short one, so whatever stops it loses a batch at
most; what is stored meanwhile is read by the encoder on its way in.  Once nothing is lacking, the vectors
are folded.
"""

from collections.abc import Callable
from contextlib import suppress
from time import monotonic, sleep

from sqlalchemy.engine import Connection

from indexer.fitted import reads_fields
from indexer.pipeline import read_by
from indexer.service import Service
from indexer.store import collections, later_vectors, passages
from indexer.store.collections import Collection
from indexer.store.field_inputs import lacking_fields
from indexer.training_tasks import POLL_SECONDS, Note
from search.child import Step
from search.errors import CacheLocked

BATCH_PASSAGES = {"transformer": 64}
"""A pretrained model reads twenty in a second; the others thousands."""
BATCH_OF_OTHERS = 256


def fill(
    service: Service,
    seen: Collection,
    complete: Callable[[Connection, Collection], None],
    progress: Callable[[int, int], None],
) -> None:
    """Make what passages lack by an encoder; ``complete`` it in the transaction that finds nothing lacking.

    Args:
        service: of the data folder.
        seen: the collection seen through the encoder.
        complete: lets searches use it.
        progress: told how many passages of how many have been read; may raise to stop here.

    Raises:
        ModelUnavailable: the encoder cannot be opened.
        UnknownCollection, UnknownEncoder: one of them was deleted in the meantime.
    """
    lacking = lacking_fields if reads_fields(seen) else later_vectors.lacking
    models, at_a_time = service.models, BATCH_PASSAGES.get(seen.kind, BATCH_OF_OTHERS)
    with service.database.read() as connection:
        count = passages.count(connection, seen.id)
        read = count - later_vectors.missing(connection, seen)
    while True:
        progress(min(read, count), count)
        with service.database.read() as connection:
            collections.require_encoder(connection, seen)
            batch = lacking(connection, seen, at_a_time)
            count = passages.count(connection, seen.id)
        if batch:
            inputs = list(dict.fromkeys(batch.values()))
            made = read_by(service.database, seen, models.transformer_of, models.fitted.of, inputs)
            with service.database.write() as connection:
                later_vectors.add(connection, seen, {passage: made[text] for passage, text in batch.items()})
            read += len(batch)
            continue
        with service.database.write() as connection:
            collections.lock(connection, seen)
            if not later_vectors.lacking(connection, seen, 1):
                complete(connection, seen)
                return


def fold(
    service: Service,
    seen: Collection,
    doing: str,
    *,
    patience_seconds: float = 0.0,
    waiting: Callable[[], None] = lambda: None,
) -> None:
    """Fold the vectors of an encoder where that is due, or leave it to whoever keeps the caches.

    Args:
        service: of the data folder.
        seen: the collection seen through the encoder.
        doing: what this process is called while it keeps the caches.
        patience_seconds: how long to wait for another process to have done it; searches scan the rows
            until then.
        waiting: called before every try; may raise to stop here.

    Raises:
        ModelUnavailable: the encoder cannot be opened.
        UnknownEncoder: it was removed in the meantime.
    """
    until = monotonic() + patience_seconds
    while service.keeper.due(_now(service, seen)):
        waiting()
        with suppress(CacheLocked), service.cache_lock.held(doing, service.clock()):
            service.keeper.fold(seen, service.models.encoder_of(seen))
            return
        if monotonic() >= until:
            return
        sleep(POLL_SECONDS)


def _now(service: Service, seen: Collection) -> Collection:
    with service.database.read() as connection:
        return collections.require_encoder(connection, seen)


def told(note: Note, step: str) -> Callable[[int, int], None]:
    """Return what tells how far one step has come."""
    return lambda done, total: note(Step(step, done, total))
