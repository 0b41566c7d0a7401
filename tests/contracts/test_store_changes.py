"""The log of changes on both databases: in order, without gaps, and enough for every cache."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from indexer import generations, lexical_caches
from indexer.keeper import Keeper
from indexer.snapshots import CollectionPicture
from indexer.store import changes, collections, documents, passages
from indexer.store.changes import LogPruned
from indexer.store.tables import ChangeRow, GenerationRow, LexicalCacheRow, PassageRow
from search.centring import centred
from search.text.analyzer import Analyzer
from tests.contracts.stored import ENCODER, NOW, current, document, new_collection, put, remove

pytest_plugins = ["tests.contracts.databases"]


@pytest.fixture
def notes(database):
    return new_collection(database)


def log_of(database, collection):
    with database.read() as connection:
        query = sa.select(ChangeRow.number, ChangeRow.passage_id, ChangeRow.added).where(
            ChangeRow.collection_id == collection.id
        )
        return [tuple(row) for row in connection.execute(query.order_by(ChangeRow.number))]


def ids_of(database, collection, *keys):
    with database.read() as connection:
        found = passages.under(connection, collection.id, keys)
    return [passage for key in keys for passage in sorted(found[key])]


def since(database, collection, number):
    with database.read() as connection:
        newest = collections.newest_change(connection, collection)
        change = changes.since(connection, collection.id, number, newest)
    return change.added.tolist(), change.removed.tolist(), change.covers


def all_ids(database, collection):
    with database.read() as connection:
        query = sa.select(PassageRow.id).where(PassageRow.collection_id == collection.id)
        return sorted(connection.execute(query).scalars())


def test_every_passage_that_comes_or_goes_has_a_number(database, notes):
    other = new_collection(database, "other")
    put(database, notes, document("a", "one", "two"), document("b"))
    put(database, other, document("x"))
    first, second, third = all_ids(database, notes)
    assert log_of(database, notes) == [(1, first, True), (2, second, True), (3, third, True)]
    put(database, notes, document("a", "three"))
    fourth = all_ids(database, notes)[-1]
    put(database, notes, document("a", "three"))  # unchanged: nothing comes or goes
    remove(database, notes, "b", "none")
    remove(database, notes, "none")
    assert log_of(database, notes)[3:] == [
        (4, first, False),
        (5, second, False),
        (6, fourth, True),
        (7, third, False),
    ]
    assert current(database).change_number == 7
    assert current(database, "other").change_number == 1


def test_what_matters_is_the_net_effect(database, notes):
    put(database, notes, document("kept"), document("gone"))
    kept, gone = all_ids(database, notes)
    at = current(database).change_number
    assert since(database, notes, at) == ([], [], at)

    put(database, notes, document("passing"))  # comes and goes again
    remove(database, notes, "passing", "gone")
    assert since(database, notes, at) == ([], [gone], at + 3)

    put(database, notes, document("gone"))  # removed and added again, under another id
    again = all_ids(database, notes)[-1]
    put(database, notes, document("kept", "changed"))
    changed = all_ids(database, notes)[-1]
    assert since(database, notes, at) == ([again, changed], [kept, gone], at + 6)
    assert since(database, notes, 0) == ([again, changed], [], at + 6)
    assert since(database, notes, at + 6) == ([], [], at + 6)


def test_numbers_have_no_gaps_and_no_order_but_that_of_commits(database, notes):
    """Four writers at once; whoever looks in between sees numbers from 1 up, all there."""
    stop = threading.Event()

    def write(writer):
        for number in range(8):
            put(database, notes, document(f"{writer}-{number}", "one", "two"))
            if number % 3 == 2:
                remove(database, notes, f"{writer}-{number - 1}")

    def watch():
        looked = 0
        while not stop.is_set() or not looked:
            with database.read() as connection:
                newest = collections.newest_change(connection, notes)
                change = changes.since(connection, notes.id, 0, newest)  # raises where one is missing
                count = sa.select(sa.func.count()).select_from(PassageRow)
                assert change.added.size == connection.execute(count).scalar_one()
            looked += 1
        return looked

    with ThreadPoolExecutor(5) as pool:
        watching = pool.submit(watch)
        try:
            list(pool.map(write, range(4)))
        finally:
            stop.set()
        assert watching.result(timeout=20) > 0
    numbers = [number for number, _, _ in log_of(database, notes)]
    assert numbers == list(range(1, 4 * (16 + 4) + 1))
    ids = [passage for _, passage, added in log_of(database, notes) if added]
    assert ids == sorted(ids)  # a tail stays in ascending order because of this


def test_a_cache_built_between_two_commits_misses_neither(database, notes, tmp_path):
    caches, analyzer = tmp_path / "caches", Analyzer()
    keeper = Keeper(database, caches, analyzer, 1, 1000, lambda: NOW)
    stored, commit = threading.Event(), threading.Event()

    def second():
        with database.write() as connection:
            documents.store(connection, notes, [document("late", "zebra")], NOW)
            stored.set()
            commit.wait(20)

    with ThreadPoolExecutor(3) as pool:
        try:
            with database.write() as connection:
                documents.store(connection, notes, [document("early", "yak")], NOW)
                late = pool.submit(second)
                assert not stored.wait(0.2)  # no later number is given out before this one can be seen
            assert stored.wait(10)
            between = current(database)
            building = [pool.submit(keeper.follow, between), pool.submit(keeper.fold, between, ENCODER)]
            wait_until(lambda: published(caches) == {"vectors", "lexical"})
        finally:
            commit.set()
        for work in (late, *building):
            work.result(timeout=20)

    picture = CollectionPicture(database, caches, ENCODER, analyzer)
    with database.read() as connection:
        now = collections.get(connection, "notes")
        assert generations.active(connection, now).covers == 1
        assert lexical_caches.row_of(connection, now.id).covers == 1
        assert now.change_number == 2
        snapshot = picture.snapshot(connection, now, None)
    assert (snapshot.degraded, snapshot.vectors.generation) == ((), now.active_generation_id)
    for key, word in (("early", "yak"), ("late", "zebra")):
        expected = ids_of(database, notes, key)
        assert snapshot.words.search([word], 5, None)[0].tolist() == expected
        query = centred(ENCODER.vector(word)[None], ENCODER.passage_means["en"])[0]
        assert snapshot.vectors.search(query, 1, None)[0].tolist() == expected


def published(caches):
    """Return which kinds of cache files are whole and in their place."""
    vectors = [path for path in caches.glob("vectors-*") if path.suffix != ".tmp"]
    return {"vectors"} & {"vectors" for _ in vectors} | {"lexical" for _ in caches.glob("lexical-*/0*")}


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# Pruning


def lexical_cache(database, collection, covers, **facts):
    values = {"folder": "x", "analyzer": "x", "covers": covers, "damaged": False} | facts
    with database.write() as connection:
        connection.execute(sa.delete(LexicalCacheRow).where(LexicalCacheRow.collection_id == collection.id))
        connection.execute(sa.insert(LexicalCacheRow).values(collection_id=collection.id, **values))


def generation(database, collection, covers, **facts):
    """Insert a manifest and make it the active one."""
    values = {"folder": "x", "kind": "flat", "metric": "x", "count": 0, "dimension": 16, "damaged": False}
    values |= {
        "fingerprint": "x",
        "centring": "x",
        "chinese_share": 0.0,
        "files": {},
        "created_at": NOW,
        "covers": covers,
    }
    with database.write() as connection:
        made = connection.execute(
            sa.insert(GenerationRow)
            .values(collection_id=collection.id, encoder_id=collection.encoder_id, **values, **facts)
            .returning(GenerationRow.id)
        ).scalar_one()
        collections.move_pointer(connection, collection, made)


def prune(database, collection):
    with database.write() as connection:
        return changes.prune(connection, collection.id)


def test_the_log_is_kept_as_far_back_as_the_oldest_living_cache_needs(database, notes):
    other = new_collection(database, "other")
    for collection in (notes, other):
        put(database, collection, *(document(f"{number}") for number in range(10)))
    ids = all_ids(database, notes)
    assert prune(database, notes) == 0  # no cache yet: whoever starts now starts from the log
    generation(database, notes, covers=7)
    assert prune(database, notes) == 0  # no lexical cache yet
    lexical_cache(database, notes, covers=4)
    assert prune(database, notes) == 4
    assert since(database, notes, 4) == (ids[4:], [], 10)
    with pytest.raises(LogPruned, match="changes 4 to 10 are no longer all there"):
        since(database, notes, 3)
    generation(database, notes, covers=9)
    assert prune(database, notes) == 0
    lexical_cache(database, notes, covers=10, damaged=True)
    assert prune(database, notes) == 5
    assert since(database, notes, 9) == (ids[9:], [], 10)
    assert [number for number, _, _ in log_of(database, notes)] == [10]
    assert len(log_of(database, other)) == 10


def test_unfolded_passages_are_those_after_the_generation(database, notes):
    put(database, notes, *(document(f"{number}", "one", "two") for number in range(3)))
    generation(database, notes, covers=4)
    remove(database, notes, "0", "2")
    put(database, notes, document("3"))
    with database.read() as connection:
        assert collections.unfolded(connection, current(database)) == 1
