"""The keys that one run has seen, however many.

By them a second document of a key is noticed, and a sync knows what is still there.  They lie in a
private temporary file of SQLite's instead of memory, and vanish with it.
"""

import sqlite3
from types import TracebackType
from typing import Self

from search.errors import StorageFull


class SeenKeys:
    """A set of keys on disk; for one thread."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=OFF")
        self._connection.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, key: str) -> bool:
        """Remember ``key``; return whether it is new.

        Raises:
            StorageFull: there is no room for a temporary file.
        """
        try:
            added = self._connection.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,))
        except sqlite3.OperationalError as error:
            raise StorageFull("the disk of temporary files is full; free some space and try again") from error
        return added.rowcount == 1

    def __contains__(self, key: str) -> bool:
        found = self._connection.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone()
        return found is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()
