"""What an ingest does for the caches when all is stored, and what it tells where that is left undone."""

from datetime import timedelta

from indexer import lexical_caches
from indexer.service import Service
from indexer.store import collections
from indexer.store.collections import Collection
from search.errors import CacheLocked, StorageFull, StoreBusy

LATE = timedelta(minutes=2)
"""A keeper follows within seconds, unless it is at hundreds of thousands of passages, or is stuck."""


def keep_caches(service: Service, collection: str) -> list[str]:
    """Fold what was stored into the caches; return what a user should know where that is left undone."""
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    try:
        with service.cache_lock.held("xunyi ingest", service.clock()):
            service.keeper.inspect(found, service.models.encoder_of(found))
            service.keeper.follow(found)
            if service.keeper.due(found):
                service.keeper.fold(found, service.models.encoder_of(found))
    except CacheLocked:
        return [_left_to_keeper(service, found)]
    except (OSError, StorageFull, StoreBusy) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return [f"all is stored, and searches are right, but the caches are not brought up to date: {reason}"]
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
