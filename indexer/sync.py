"""``--sync``: make a collection equal to the given paths, deletions included, and never more than that.

Deleted is a document that an earlier ingest read from one of the paths and that this run did not see.
Where the walk met an error, or a file was refused, nothing that came from there is deleted: it may
still exist.  More than half of what was there is not deleted without being told so.
"""

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from indexer.seen_keys import SeenKeys
from indexer.store import documents
from indexer.store.collections import Collection, lock
from indexer.store.sessions import Database
from search.errors import TooManyDeletions

_SLICE = 500


@dataclass(frozen=True, slots=True)
class Synced:
    """One path of a sync and how its walk went."""

    root: str
    """Origin of the file itself, or of the folder that all origins under it begin with."""
    recursive: bool
    """Whether the walk went into sub-folders; what lies in one that was not entered stays."""
    whole: bool
    """Whether the walk under it met no error."""

    def holds(self, origin: str) -> bool:
        """Return whether this path's walk would have met a file of that origin."""
        folder = self.root.rstrip("/")
        if self.recursive:
            return origin == self.root or origin.startswith(f"{folder}/")
        return origin == self.root or posixpath.dirname(origin) == folder


def delete_missing(
    database: Database,
    collection: Collection,
    paths: Sequence[Synced],
    seen: SeenKeys,
    refused_origins: set[str],
    *,
    began: int,
    many: bool,
) -> tuple[int, int]:
    """Delete what was stored from under the paths and was not seen.

    Returns:
        How many documents went, and how many of these files are still there and have another key now.

    Args:
        database: of the collection.
        collection: to be made equal to the paths.
        paths: what was walked.
        seen: the keys that were met.
        refused_origins: files in which something was refused.
        began: the newest passage when the walk began; what another process stored since then stays.
        many: whether more than half may go.

    Raises:
        TooManyDeletions: it would be more than half, and ``many`` does not allow that; none is deleted.
    """
    compared = 0
    missing: dict[str, str] = {}
    """Their keys and origins."""
    walked = [synced for synced in paths if synced.whole]
    with database.read() as connection:
        for key, origin in documents.read_from_files(connection, collection.id):
            if any(synced.holds(origin) for synced in walked):
                compared += 1
                if key not in seen and origin not in refused_origins:
                    missing[key] = origin
        moved = _under_other_keys(connection, collection, missing, seen)
    if len(missing) * 2 > compared and not many:
        raise TooManyDeletions(
            f"{len(missing)} of {compared} documents are no longer there and would be deleted; "
            "if that is right, run it again with --yes",
            missing=len(missing),
            compared=compared,
        )
    keys = list(missing)
    deleted = sum(
        _delete(database, collection, keys[start : start + _SLICE], began)
        for start in range(0, len(keys), _SLICE)
    )
    return deleted, moved


def _under_other_keys(
    connection: Connection, collection: Collection, missing: Mapping[str, str], seen: SeenKeys
) -> int:
    """Return how many files, not records, of the missing ones were seen under another key."""
    gone = {origin for key, origin in missing.items() if _is_file(key, origin)}
    if not gone:
        return 0
    files = documents.read_from_files(connection, collection.id)
    return sum(origin in gone and _is_file(key, origin) and key in seen for key, origin in files)


def _is_file(key: str, origin: str) -> bool:
    return posixpath.basename(key) == posixpath.basename(origin)


def _delete(database: Database, collection: Collection, keys: Sequence[str], began: int) -> int:
    with database.write() as connection:
        lock(connection, collection)
        old = documents.not_newer(connection, collection.id, keys, began)
        return len(documents.delete(connection, collection, old).deleted)
