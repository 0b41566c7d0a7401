"""What an ingest does for the caches when all is stored, and what it tells where that is left undone."""

from contextlib import suppress
from datetime import timedelta

from indexer import lexical_caches
from indexer.calibrating import Calibrator
from indexer.service import Service
from indexer.states_filling import Filler, by, with_states
from indexer.store import calibrations, collections, passages, token_states
from indexer.store.collections import Collection
from indexer.token_states import codec_of
from search.encoders.base import token_encoder
from search.errors import CacheLocked, ModelUnavailable, NotCalibrated, StorageFull, StoreBusy

LATE = timedelta(minutes=2)
"""A keeper follows within seconds, unless it is at hundreds of thousands of passages, or is stuck."""

FILLED_MAX = 1000
"""Passages without token states that an ingest still reads at its end: half a minute."""
CALIBRATED_MAX = 100_000
"""Passages that an ingest still asks its questions of: seconds, and 40 MB of vectors in memory."""


def keep_caches(service: Service, collection: str) -> list[str]:
    """Fold what was stored into the caches; return what a user should know where that is left undone."""
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    try:
        with service.cache_lock.held("xunyi ingest", service.clock()):
            service.keeper.inspect(found, service.models.encoder_of)
            service.keeper.follow(found)
            service.keeper.fold_due(found, service.models.encoder_of)
            return [*_fill(service, found), *_calibrate(service, found)]
    except CacheLocked:
        return [_left_to_keeper(service, found)]
    except (OSError, StorageFull, StoreBusy) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return [f"all is stored, and searches are right, but the caches are not brought up to date: {reason}"]


def _fill(service: Service, found: Collection) -> list[str]:
    """Make token states that are missing; return what a user should know where that is left undone."""
    with service.database.read() as connection:
        those = with_states(connection, found)
    filler, told = Filler(service.database), []
    for seen in those:
        try:
            told += _filled(service, seen, filler, by(seen, found))
        except ModelUnavailable as error:
            told.append(str(error))
    return told


def _filled(service: Service, seen: Collection, filler: Filler, by_which: str) -> list[str]:
    encoder = service.models.encoder_of(seen)
    teller = token_encoder(encoder)
    if teller is None:
        return []
    with service.database.read() as connection:
        waiting = token_states.waiting(connection, seen, codec_of(teller))
    if waiting > FILLED_MAX:
        return [
            f"{waiting} passages of {seen.name} have no token states{by_which} yet; "
            "the worker of `xunyi serve`, or `xunyi worker --once`, makes them"
        ]
    while filler.fill(seen, encoder):
        pass
    return []


def _calibrate(service: Service, found: Collection) -> list[str]:
    """Find out what is usual in a collection, where that is due; return what is left to others."""
    with service.database.read() as connection:
        count = passages.count(connection, found.id)
        known = calibrations.of_collection(connection, found)
    if count <= CALIBRATED_MAX:
        with suppress(NotCalibrated):  # what is in the way has been told: token states are missing
            Calibrator(service).calibrate(found)
    elif not known:
        return [
            f"how relevant answers are cannot be told yet: the worker of `xunyi serve`, or "
            f"`xunyi calibrate -c {found.name}`, finds it out"
        ]
    return []


def _left_to_keeper(service: Service, found: Collection) -> str:
    """Return who keeps the caches; that it may be stuck is said only where it has not kept up."""
    keeper = service.cache_lock.holder() or "another process"
    with service.database.read() as connection:
        behind = lexical_caches.behind_since(connection, found)
    told = f"all is stored and can be searched now; bringing the caches up to date is left to {keeper}"
    if behind is None or service.clock() - behind < LATE:
        return told
    since = behind.isoformat(timespec="seconds")
    return f"{told}, which has not done so since {since}; if that process is stuck, stop it"
