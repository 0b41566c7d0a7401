"""Opening an installation: its tables come to be once, whoever is first, and newer ones are refused."""

import subprocess
import sys
from dataclasses import replace

import pytest
import sqlalchemy as sa

from indexer.settings import Settings
from indexer.store.schema import HEAD, open_database
from search.errors import HomeTooNew, StoreUnavailable, UnknownHome

pytest_plugins = ["tests.contracts.databases"]


def settings(home, url):
    return replace(Settings.from_environment({}, home=home), database_url=url)


def revision(database):
    with database.read() as connection:
        return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()


def test_a_new_home_is_made_private_and_opened_again(empty_url, tmp_path):
    home = tmp_path / "deep" / "home"
    for _ in range(2):
        opened = open_database(settings(home, empty_url))
        assert revision(opened) == [HEAD]
        opened.close()
    assert home.stat().st_mode & 0o777 == 0o700


def test_a_home_that_is_not_to_be_made_is_refused_unless_the_truth_lies_elsewhere(empty_url, tmp_path):
    home = tmp_path / "mistyped"
    url = f"sqlite:///{home / 'xunyi.db'}" if empty_url.startswith("sqlite") else empty_url
    if url == empty_url:
        open_database(settings(home, url), new=False).close()
        assert home.is_dir()
    else:
        with pytest.raises(UnknownHome, match=f"the data folder {home} does not exist") as refusal:
            open_database(settings(home, url), new=False)
        assert refusal.value.details == {} and not home.exists()
    open_database(settings(home, url)).close()
    open_database(settings(home, url), new=False).close()


def test_a_home_of_a_newer_version_is_refused_and_left_as_it_is(empty_url, tmp_path, open_url):
    open_database(settings(tmp_path, empty_url)).close()
    with open_url(empty_url).write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(HomeTooNew, match=r"newer version of xunyi \(its schema is 9999") as refusal:
        open_database(settings(tmp_path, empty_url))
    assert refusal.value.details == {"found": "9999", "known": HEAD}
    assert revision(open_url(empty_url)) == ["9999"]


def test_a_migration_that_is_broken_off_leaves_an_empty_database(empty_url, tmp_path, open_url, monkeypatch):
    monkeypatch.setattr("alembic.operations.Operations.create_index", broken)
    with pytest.raises(RuntimeError, match="broken off"):
        open_database(settings(tmp_path, empty_url))
    monkeypatch.undo()
    with open_url(empty_url).read() as connection:
        assert sa.inspect(connection).get_table_names() == []
    open_database(settings(tmp_path, empty_url)).close()


def broken(*_, **__):
    raise RuntimeError("broken off")


OPENING = """
import sys
from dataclasses import replace
from datetime import datetime
from indexer.settings import Settings
from indexer.store import collections
from indexer.store.schema import open_database
import alembic.command, alembic.config, migrations
for line in sys.stdin:
    home, url = line.split()
    database = open_database(replace(Settings.from_environment({}, home=home), database_url=url))
    with database.write() as connection:
        collections.ensure_encoder(connection, "toy", "f", 16, datetime(2024, 5, 1))
    database.close()
    print("opened", flush=True)
"""


def test_processes_that_open_one_new_home_at_once_all_succeed(tmp_path, kind, request):
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    try:
        for round_ in range(10):
            home = tmp_path / f"home {round_}".replace(" ", "-")
            url = fresh_url(request, kind, home, round_)
            for opener in openers:
                opener.stdin.write(f"{home} {url}\n")
                opener.stdin.flush()
            assert [opener.stdout.readline() for opener in openers] == ["opened\n"] * 4
    finally:
        for opener in openers:
            opener.stdin.close()
            opener.stdout.close()
            opener.wait(10)


def fresh_url(request, kind, home, round_):
    if kind == "sqlite":
        return f"sqlite:///{home / 'xunyi.db'}"
    server = request.getfixturevalue("postgresql")
    name = f"opened_{round_}"
    server.create(name)
    request.addfinalizer(lambda: server.drop(name))
    return server.url(name)


def test_a_home_that_cannot_be_made_is_told_in_words(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreUnavailable, match=r"cannot be made or written \(Not a directory"):
        open_database(settings(tmp_path / "file" / "home", f"sqlite:///{tmp_path / 'xunyi.db'}"))
