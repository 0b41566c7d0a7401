"""Transactions on both databases: nothing is lost, readers do not wait, failures are told in words."""

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from indexer.store import collections, documents
from indexer.store.tables import CollectionRow, TaskRow
from search.errors import InvalidInput, StorageFull, StoreBusy, StoreUnavailable
from tests.contracts.stored import NOW, current, document, new_collection, put

pytest_plugins = ["tests.contracts.databases"]

on_sqlite = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)


def increment(database, collection, times):
    for _ in range(times):
        with database.write() as connection:
            number = collections.lock(connection, collection)
            time.sleep(0.001)
            row = sa.update(CollectionRow).where(CollectionRow.id == collection.id)
            connection.execute(row.values(change_number=number + 1))


def test_four_threads_of_read_then_increment_lose_nothing(database):
    collection = new_collection(database)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: increment(database, collection, 25), range(4)))
    assert current(database).change_number == 100


@on_sqlite
def test_on_sqlite_any_row_may_be_read_and_then_written(database):
    """BEGIN IMMEDIATE makes writers queue up even where nobody locks a row."""
    with database.write() as connection:
        made = sa.insert(TaskRow).values(kind="", collection="", state="", problems=[], created_at=NOW)
        connection.execute(made)

    def work(_):
        for _ in range(25):
            with database.write() as connection:
                done = connection.execute(sa.select(TaskRow.done)).scalar_one()
                time.sleep(0.001)
                connection.execute(sa.update(TaskRow).values(done=done + 1))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    with database.read() as connection:
        assert connection.execute(sa.select(TaskRow.done)).scalar_one() == 100


def test_a_reader_does_not_wait_for_a_writer(database):
    collection = new_collection(database)
    put(database, collection, document("a"))
    with database.write() as writing:
        documents.store(writing, collection, [document("b")], NOW)
        with database.read() as reading:  # waiting here would never end: the writer is below
            assert collections.counts(reading, collection) == (1, 1)
    with database.read() as reading:
        assert collections.counts(reading, collection) == (2, 2)


def test_a_reader_sees_one_state_to_its_end(database):
    collection = new_collection(database)
    put(database, collection, document("a"))
    with database.read() as reading:
        before = collections.counts(reading, collection)
        put(database, collection, document("b"))
        assert collections.counts(reading, collection) == before == (1, 1)
        assert collections.newest_change(reading, collection) == 1


def test_a_transaction_that_fails_leaves_nothing(database):
    collection = new_collection(database)
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        documents.store(connection, collection, [document("a")], NOW)
        _ = 1 / 0
    with database.read() as connection:
        assert collections.counts(connection, collection) == (0, 0)
        assert collections.newest_change(connection, collection) == 0


def test_a_lock_held_too_long_is_told_in_words(database, database_url, open_url):
    collection = new_collection(database)
    impatient = open_url(database_url, busy_timeout_seconds=0.2)
    with database.write() as holding:
        collections.lock(holding, collection)
        with pytest.raises(StoreBusy, match="locked by another process; try again"):
            put(impatient, collection, document("a"))
    assert put(impatient, collection, document("a"))[0].outcome == "created"


def test_a_lock_is_waited_for_as_long_as_was_said(database_url, kind, open_url):
    statement, expected = {
        "sqlite": ("PRAGMA busy_timeout", 200),
        "postgresql": ("SHOW lock_timeout", "200ms"),
    }[kind]
    with open_url(database_url, busy_timeout_seconds=0.2).read() as connection:
        assert connection.execute(sa.text(statement)).scalar_one() == expected


def test_a_writer_waits_for_the_one_before(database):
    collection = new_collection(database)
    entered = threading.Event()

    def second():
        entered.wait()
        return put(database, collection, document("b"))[0].outcome

    with ThreadPoolExecutor(1) as pool:
        with database.write() as first:
            collections.lock(first, collection)
            waiting = pool.submit(second)
            entered.set()
            time.sleep(0.1)
            assert not waiting.done()
        assert waiting.result(timeout=10) == "created"


@on_sqlite
def test_a_full_disk_is_told_in_words_and_nothing_is_stored(database):
    collection = new_collection(database)
    with pytest.raises(StorageFull, match="the disk is full"), database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages + 1}")
        documents.store(connection, collection, [document("a", "long " * 50_000)], NOW)
    with database.read() as connection:
        assert collections.counts(connection, collection) == (0, 0)


def test_a_file_that_is_no_database_is_told_in_words(tmp_path, open_url):
    (tmp_path / "notes.db").write_text("these are notes, and no database at all; " * 50)
    with pytest.raises(StoreUnavailable, match="damaged, or no database"):
        current(open_url(f"sqlite:///{tmp_path / 'notes.db'}"))


def test_an_address_that_is_none_is_told_in_words(open_url):
    for url in ("mysql://a:secret@b/c", "postgres only", ""):
        with pytest.raises(InvalidInput, match="no PostgreSQL URL") as refusal:
            open_url(url)
        assert "secret" not in str(refusal.value)


def test_a_server_that_is_gone_is_told_in_words(open_url, tmp_path):
    with pytest.raises(StoreUnavailable, match="server cannot be reached"):
        current(open_url(f"postgresql://postgres@/none?host={tmp_path}"))


@on_sqlite
def test_sqlite_is_set_up_to_keep_what_it_acknowledges(database):
    with database.read() as connection:
        told = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_size", "journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert told == {
        "page_size": 16384,
        "journal_mode": "wal",
        "synchronous": 2,  # FULL
        "foreign_keys": 1,
        "busy_timeout": 30_000,
    }
    assert sqlite3.threadsafety > 0
