"""How a process speaks with the database: engines, transactions, and failures put into words.

SQLite under SQLAlchemy needs care: left alone, the driver opens transactions late, and of 200
concurrent read-then-increment transactions that all "succeeded" only 50 were kept.  Here the
driver is told to leave transactions alone and the engine says BEGIN itself: BEGIN IMMEDIATE where
something will be written, so that writers queue up, and plain BEGIN for a reader's snapshot.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from search.errors import StorageFull, StoreBusy

BUSY_TIMEOUT_SECONDS = 30
PAGE_BYTES = 16384
"""Fetching passages and vectors by key is more than twice as fast as with 4 KiB pages."""

_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC}
_PG_DISK_FULL = "53100"
_PG_LOCK_NOT_AVAILABLE = "55P03"


class Database:
    """One engine and its two kinds of transaction.  Make it after a fork, never before."""

    def __init__(self, url: str, busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS) -> None:
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

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def _engine(url: str, busy_timeout_seconds: float) -> Engine:
    if not url.startswith("sqlite"):
        return sa.create_engine(_psycopg(url), pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": busy_timeout_seconds})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _psycopg(url: str) -> sa.URL:
    parsed = sa.make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


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
    """Turn the two failures a user can act on into our own errors; all others stay what they are."""
    try:
        yield
    except DBAPIError as error:
        code = getattr(error.orig, "sqlite_errorcode", None)
        state = getattr(error.orig, "sqlstate", None)
        if code in _FULL or state == _PG_DISK_FULL:
            raise StorageFull(
                "the disk is full; free some space and send this again (what was acknowledged is stored)"
            ) from error
        primary = code & 0xFF if code is not None else None
        if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} or state == _PG_LOCK_NOT_AVAILABLE:
            raise StoreBusy("the database is locked by another process; try again in a moment") from error
        raise
