"""Bring a database to the schema this program speaks, and refuse one from a newer program.

Every process calls ``open_database`` first.  Alembic is imported only when there is something to do:
a serving process that finds its schema current never pays for it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.settings import Settings
from indexer.store.sessions import Database
from search.errors import HomeTooNew, StoreUnavailable, UnknownHome

HEAD = "0009"
"""The newest migration; a test compares it with the scripts."""

_KNOWN = {"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009"}
_LOCK_NAME = "schema.lock"


def open_database(settings: Settings, *, new: bool = True) -> Database:
    """Return the database of an installation, its schema current; make the home folder if needed.

    Args:
        settings: where it is.
        new: whether an installation that is not there is made.

    Raises:
        UnknownHome: it is not there, and is not to be made.
        HomeTooNew: the data was written by a newer version of the program.
        StoreUnavailable: the home folder cannot be made or written, or the database not be opened.
        InvalidInput: the database's address is none.
    """
    database = Database(settings.database_url)
    try:
        if not new and database.dialect == "sqlite":  # a PostgreSQL may be served from a new folder
            _check_there(settings)
        _make_current(settings.home, database)
    except BaseException:
        database.close()
        raise
    return database


def _check_there(settings: Settings) -> None:
    home, file = settings.home, settings.database_url.removeprefix("sqlite:///")
    if os.path.lexists(file):
        return
    wrong = f"the data folder {home} does not exist"
    if os.path.lexists(home):
        wrong = f"{home} is no data folder: there is no {Path(file).name} in it"
    raise UnknownHome(f"{wrong}; name another with --home or XUNYI_HOME, or make it with `xunyi ingest PATH`")


def _make_current(home: Path, database: Database) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _alone(home):
            _upgrade(database)
    except OSError as error:
        raise StoreUnavailable(
            f"the data folder cannot be made or written ({error.strerror}); "
            "choose another with --home or XUNYI_HOME"
        ) from error


def _upgrade(database: Database) -> None:
    revision = _revision(database)
    if revision is not None and revision not in _KNOWN:
        raise HomeTooNew(
            f"this data was written by a newer version of xunyi (its schema is {revision}, "
            f"this program knows up to {HEAD}); install that version or choose another --home",
            found=revision,
            known=HEAD,
        )
    if revision != HEAD:
        with database.write() as connection:
            run_migrations(connection)


def run_migrations(connection: Connection, revision: str = "head") -> None:
    """Upgrade to ``revision`` inside the transaction of ``connection``."""
    command, config = import_module("alembic.command"), import_module("alembic.config").Config()
    config.set_main_option("script_location", str(Path(import_module("migrations").__file__ or "").parent))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _revision(database: Database) -> str | None:
    with database.read() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
        return found


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Two processes that open a new home at once must not both make its tables.

    Looking whether there are any is part of it: the first connection turns a new SQLite file to WAL, which
    SQLite refuses at once, without waiting, while another connection does the same.
    """
    with (home / _LOCK_NAME).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
