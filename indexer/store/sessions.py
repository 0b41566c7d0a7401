"""How a process speaks with the database: engines, transactions, and failures put into words.

SQLite under SQLAlchemy needs care: left alone, the driver opens transactions late, and of 200
concurrent read-then-increment transactions that all "succeeded" only 50 were kept.  Here the
driver is told to leave transactions alone and the engine says BEGIN itself: BEGIN IMMEDIATE where
something will be written, so that writers queue up, and plain BEGIN for a reader's snapshot.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from search.errors import InvalidInput, SearchError, StorageFull, StoreBusy, StoreUnavailable

BUSY_TIMEOUT_SECONDS = 30
INSTANT_SECONDS = 0.1
PAGE_BYTES = 16384
"""Fetching passages and vectors by key is more than twice as fast as with 4 KiB pages."""

_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_CLOSED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}
_PG_DRIVERS = ("postgresql", "postgresql+psycopg")
_PG_DISK_FULL = "53100"
_PG_LOCK_NOT_AVAILABLE = "55P03"
_PG_AWAY = {"08", "28", "3D", "57"}


class Database:
    """One engine and its two kinds of transaction.  Make it after a fork, never before."""

    def __init__(self, url: str, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
        self._url = url
        self.engine = _engine(url, busy_timeout_seconds)
        self.dialect = self.engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that sees one state of the database and never waits for a writer.

        Raises:
            StoreBusy: the database stayed locked for longer than the busy timeout.
        """
        options = {} if self.dialect == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        with _told(), self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Open a transaction that writes; on leaving it is committed, and that is the acknowledgement.

        Raises:
            StoreBusy: another process kept the database locked for longer than the busy timeout.
            StorageFull: the disk is full; nothing of this transaction is stored.
        """
        with _told(), self.engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection

    @cached_property
    def impatient(self) -> "Database":
        """The same database for writes that may as well come later: a lock is waited for an instant only."""
        return Database(self._url, INSTANT_SECONDS)

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
        if "impatient" in vars(self):
            self.impatient.close()


def _engine(url: str, busy_timeout_seconds: float) -> Engine:
    """Return the engine of a database; nothing is opened yet.

    Raises:
        InvalidInput: the address is none, or of a database that is not spoken to.
    """
    if not url.startswith("sqlite"):
        engine = sa.create_engine(_psycopg(url), pool_pre_ping=True)
        event.listen(engine, "connect", partial(_prepare_postgresql, busy_timeout_seconds))
        return engine
    # A path may hold what means something in an address, such as a question mark.
    file = sa.URL.create("sqlite", database=url.removeprefix("sqlite:///"))
    engine = sa.create_engine(file, connect_args={"timeout": busy_timeout_seconds})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _psycopg(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        parsed = None
    if parsed is None or parsed.drivername not in _PG_DRIVERS:
        # The address itself may hold a password.
        raise InvalidInput("the database's address is no PostgreSQL URL (postgresql://user@host/name)")
    return parsed.set(drivername=_PG_DRIVERS[-1])


def _prepare_postgresql(busy_timeout_seconds: float, connection: Any, _: ConnectionPoolEntry) -> None:
    milliseconds = round(busy_timeout_seconds * 1000)
    connection.execute(f"SET lock_timeout = {milliseconds}")
    connection.commit()


def _prepare_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None
    for pragma in (
        f"page_size={PAGE_BYTES}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _told() -> Iterator[None]:
    """Turn the failures a user can act on into our own errors; all others stay what they are."""
    try:
        yield
    except DBAPIError as error:
        told = _of_sqlite(error.orig) if isinstance(error.orig, sqlite3.Error) else _of_postgresql(error)
        if told is None:
            raise
        raise told from error


def _of_sqlite(error: sqlite3.Error) -> SearchError | None:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if code in _FULL:
        return _full()
    if primary in _BUSY:
        return _busy()
    if primary in _DAMAGED:
        return StoreUnavailable("the database file is damaged, or no database; put a good copy in its place")
    if primary in _CLOSED:
        return StoreUnavailable(
            "the database cannot be opened or written; see whose the data folder is and who may write there"
        )
    return None


def _of_postgresql(error: DBAPIError) -> SearchError | None:
    state = getattr(error.orig, "sqlstate", None)
    if state == _PG_DISK_FULL:
        return _full()
    if state == _PG_LOCK_NOT_AVAILABLE:
        return _busy()
    # A connection that was never made, or is lost, has no state (or one of class 08, 28 or 57).
    if isinstance(error, OperationalError) and (state is None or state[:2] in _PG_AWAY):
        return StoreUnavailable("the database server cannot be reached, or lets nobody in; see its address")
    return None


def _full() -> StorageFull:
    return StorageFull(
        "the disk is full; free some space and send this again (what was acknowledged is stored)"
    )


def _busy() -> StoreBusy:
    return StoreBusy("the database is locked by another process; try again in a moment")
