"""What an ingest does for the caches when all is stored, and what it tells where that is left undone."""

from indexer.service import Service
from indexer.store import collections
from search.errors import CacheLocked, StorageFull, StoreBusy


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
    except CacheLocked as locked:
        return [f"the caches are left to their keeper: {locked}"]
    except (OSError, StorageFull, StoreBusy) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        return [f"all is stored, and searches are right, but the caches are not brought up to date: {reason}"]
    return []
