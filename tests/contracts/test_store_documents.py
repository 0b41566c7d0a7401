"""Documents and passages on both databases: stored, replaced, deleted, listed, and read back as given."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
import sqlalchemy as sa

from indexer.records import Deleted, PassagePlace, Stored
from indexer.store import collections, documents, listing, passages
from indexer.store.fields import checked_metadata
from indexer.store.passages import StoredPassages
from indexer.store.tables import INDEXED_CHARACTERS, DocumentRow, EmbeddingRow, FieldRow, PassageRow
from search.errors import CollectionExists, InvalidInput, InvalidRecord, UnknownCollection, UnknownDocument
from search.model import FoundPassage, PassageText
from tests.contracts.stored import (
    ENCODER,
    LATER,
    NOW,
    current,
    document,
    new_collection,
    passage,
    put,
    remove,
    unencoded,
)

pytest_plugins = ["tests.contracts.databases"]


@pytest.fixture
def notes(database):
    return new_collection(database)


def detail(database, collection, key):
    with database.read() as connection:
        return listing.detail(connection, collection, key)


def passage_ids(database, *keys):
    with database.read() as connection:
        query = sa.select(DocumentRow.key, PassageRow.id).join(
            PassageRow, PassageRow.document_id == DocumentRow.id
        )
        rows = connection.execute(query.order_by(PassageRow.id)).all()
    return [row.id for row in rows if row.key in keys or not keys]


def rows_in(database, table):
    with database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


# Storing


def test_each_document_is_told_what_became_of_it(database, notes):
    assert put(database, notes, document("b", "one", "two"), document("a")) == [
        Stored("b", "created", 2),
        Stored("a", "created", 1),
    ]
    assert put(
        database, notes, document("a", "new text"), unencoded("b", "one", "two"), document("c", "x", "y", "z")
    ) == [
        Stored("a", "updated", 1),
        Stored("b", "unchanged", 0),
        Stored("c", "created", 3),
    ]
    # An unchanged document that was encoded all the same is left alone, too.
    before = passage_ids(database, "a")
    assert put(database, notes, document("a", "new text"))[0].outcome == "unchanged"
    assert passage_ids(database, "a") == before


def test_a_document_is_read_back_as_it_was_stored(database, notes):
    given = document(
        "手册/第一章.md",
        "𝛼 first passage",
        "第二段",
        title="标题 \U0001f40e",
        source="folder/手册",
        origin="/data/手册/第一章.md",
        media_type="text/markdown",
        language="zh",
        authored_at=NOW - timedelta(days=3),
        modified_at=datetime(1999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=8))),
        passages=[
            passage("𝛼 first passage", 0, heading="One > 二", page=7),
            passage("第二段", 16, language="zh"),
        ],
    )
    put(database, notes, given)
    found = detail(database, notes, given.key)
    ids = passage_ids(database)
    assert found.text == given.text
    assert found.passages == [
        PassagePlace(ids[0], 0, 0, 15, "One > 二", 7),
        PassagePlace(ids[1], 1, 16, 19, "", None),
    ]
    summary = found.document
    assert (summary.key, summary.title, summary.source, summary.media_type, summary.language) == (
        given.key,
        given.title,
        given.source,
        given.media_type,
        "zh",
    )
    assert (summary.characters, summary.passages) == (19, 2)
    assert summary.created_at == summary.updated_at == NOW
    with database.read() as connection:
        row = connection.execute(sa.select(DocumentRow.__table__)).one()
        assert (row.authored_at, row.modified_at, row.origin) == (
            given.authored_at,
            given.modified_at,
            given.origin,
        )
        assert row.authored_at.tzinfo == row.modified_at.tzinfo == UTC
        assert StoredPassages(connection, 1, None).passages([ids[1], 999]) == {
            ids[1]: FoundPassage(
                PassageText(ids[1], 1, 16, 19, "第二段", "", None),
                row.id,
                given.key,
                given.title,
                {},
                f"{given.title}\n第二段",
            )
        }
        assert StoredPassages(connection, 1, None).documents_of([*ids, 999]) == dict.fromkeys(ids, row.id)


@pytest.fixture
def far_from_utc(monkeypatch):
    """Let the machine stand in Shanghai."""
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_time_without_a_zone_is_utc(database, notes, far_from_utc):
    naive = datetime(2020, 2, 29, 6, 7, 8)
    put(database, notes, document("a", authored_at=naive, metadata={"when": naive}))
    with database.read() as connection:
        assert connection.execute(sa.select(DocumentRow.authored_at)).scalar_one() == naive.replace(
            tzinfo=UTC
        )
    assert detail(database, notes, "a").document.metadata == {"when": naive.replace(tzinfo=UTC)}


def test_a_changed_document_keeps_its_place_and_its_date_and_changes_all_else(database, notes):
    put(database, notes, document("a", "one", "two", metadata={"year": 1, "tag": ["x", "y"]}))
    old = passage_ids(database)
    put(database, notes, document("a", "three", title="New", metadata={"tag": "z"}), now=LATER)
    found = detail(database, notes, "a")
    assert (found.document.created_at, found.document.updated_at) == (NOW, LATER)
    assert (found.text, found.document.title, found.document.metadata) == ("three", "New", {"tag": "z"})
    new = passage_ids(database)
    assert len(new) == 1 and not set(new) & set(old)
    assert (rows_in(database, EmbeddingRow), rows_in(database, FieldRow), rows_in(database, DocumentRow)) == (
        1,
        1,
        1,
    )


def test_an_unchanged_document_still_notes_where_it_came_from(database, notes):
    put(database, notes, document("a", source="old/a", origin="/old/a"))
    assert put(database, notes, unencoded("a", source="new/a", origin="/new/a"))[0].outcome == "unchanged"
    with database.read() as connection:
        row = connection.execute(sa.select(DocumentRow.source, DocumentRow.origin)).one()
        assert tuple(row) == ("new/a", "/new/a")
        assert collections.newest_change(connection, notes) == 1


@pytest.mark.parametrize("meanwhile", ["deleted", "changed"])
def test_what_was_found_unchanged_and_is_no_more_stops_the_batch(database, notes, meanwhile):
    put(database, notes, document("a"))
    if meanwhile == "deleted":
        remove(database, notes, "a")
    else:
        put(database, notes, document("a", "other text"))
    numbers = current(database).change_number
    with pytest.raises(documents.ChangedMeanwhile):
        put(database, notes, document("b"), unencoded("a"))
    assert current(database).change_number == numbers
    with pytest.raises(UnknownDocument):
        detail(database, notes, "b")


def test_hashes_are_known_by_key(database, notes):
    put(database, notes, document("a", "same words"), document("b", "other words"))
    with database.read() as connection:
        hashes = documents.content_hashes(connection, notes.id, ["a", "b", "c"])
        assert hashes == {
            key: document(key, text).content_hash for key, text in (("a", "same words"), ("b", "other words"))
        }


def test_more_keys_than_one_statement_takes(database, notes):
    keys = [f"key {number:04}" for number in range(1201)]
    put(database, notes, *(document(key) for key in keys))
    with database.read() as connection:
        assert len(documents.content_hashes(connection, notes.id, keys)) == 1201
        assert sorted(passages.under(connection, notes.id, [*keys, "none"])) == keys
        everything = passages.under(connection, notes.id, keys)
        ids = [ids[0] for ids in everything.values()]
        assert len(StoredPassages(connection, 1, None).passages(ids)) == 1201
        assert passages.vectors_of(connection, notes, ids)[1].shape == (1201, 16)
    assert remove(database, notes, *keys) == Deleted(keys, [])
    assert [rows_in(database, table) for table in (DocumentRow, PassageRow, EmbeddingRow)] == [0, 0, 0]


# Deleting


def test_deleting_takes_all_that_hung_on_a_document(database, notes):
    put(database, notes, document("a", "one", "two", metadata={"n": 1}), document("b"))
    assert remove(database, notes, "nothing", "a", "a", "never") == Deleted(["a"], ["nothing", "never"])
    with pytest.raises(UnknownDocument, match="nothing is stored under the key 'a' in 'notes'"):
        detail(database, notes, "a")
    assert [rows_in(database, table) for table in (PassageRow, EmbeddingRow, FieldRow)] == [1, 1, 0]
    assert remove(database, notes, "a") == Deleted([], ["a"])


def test_ids_are_never_used_again(database, notes):
    """A cache that still knows a deleted passage would show another's text under its id."""
    seen = set()
    for round_ in range(4):
        put(database, notes, document("a", f"round {round_}", "two"))
        ids = passage_ids(database)
        assert len(ids) == 2 and min(ids) > max(seen, default=0)
        seen.update(ids)
        remove(database, notes, "a")
    with database.write() as connection:
        collections.delete(connection, notes)
    again = new_collection(database)
    assert again.id > notes.id
    put(database, again, document("a"))
    assert min(passage_ids(database)) > max(seen)


def test_a_deleted_collection_takes_all_its_rows_and_no_others(database, notes):
    other = new_collection(database, "other")
    for collection in (notes, other):
        put(database, collection, document("a", "one", metadata={"n": 1}), document("b"))
        remove(database, collection, "b")
    with database.write() as connection:
        collections.delete(connection, notes)
    with database.read() as connection:
        assert [found.name for found in collections.all_collections(connection)] == ["other"]
        assert collections.counts(connection, other) == (1, 1)
        for table in collections.ChangeRow, FieldRow, PassageRow, DocumentRow:
            held = connection.execute(sa.select(table.collection_id)).scalars().all()
            assert set(held) == {other.id}, table
    with pytest.raises(UnknownCollection, match="'notes' was deleted in the meantime"):
        put(database, notes, document("c"))
    with pytest.raises(UnknownCollection, match="deleted in the meantime"), database.read() as connection:
        collections.newest_change(connection, notes)


def test_a_name_is_taken_once(database, notes):
    with pytest.raises(CollectionExists, match="'notes' is there already"):
        new_collection(database)
    for name in ("", "-a", "a/b", "a b", ".hidden", "x" * 101, "a\n"):
        with pytest.raises(InvalidInput, match="1 to 100 letters"):
            new_collection(database, name)
    assert new_collection(database, "文档_2.v-1").name == "文档_2.v-1"
    with database.read() as connection:
        for name in ("Notes", "none", "half \ud83d", "nul \x00"):
            assert collections.find(connection, name) is None
            with pytest.raises(UnknownCollection, match="there is no collection called"):
                collections.get(connection, name)


def test_an_encoder_is_known_by_name_and_fingerprint(database):
    with database.write() as connection:
        first = collections.ensure_encoder(connection, "toy", "f1", 16, NOW)
        assert collections.ensure_encoder(connection, "toy", "f1", 16, LATER) == first
        assert (
            len(
                {
                    first,
                    *(
                        collections.ensure_encoder(connection, *other, 16, NOW)
                        for other in (("toy", "f2"), ("other", "f1"))
                    ),
                }
            )
            == 3
        )


def test_two_processes_that_meet_an_encoder_first_make_one_row_of_it(database):
    def ensure(connection):
        return collections.ensure_encoder(connection, "toy", "f1", 16, NOW)

    def second():
        with database.write() as connection:
            return ensure(connection)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as connection:
            first = ensure(connection)
            waiting = pool.submit(second)
            time.sleep(0.1)
            assert not waiting.done()
        assert waiting.result(timeout=10) == first


# What a sync asks


def test_a_sync_learns_what_was_read_from_files_and_what_is_newer_than_its_walk(database, notes):
    put(database, notes, document("b", origin="/data/b"), document("a", origin="/data/a"), document("api"))
    put(database, new_collection(database, "other"), document("c", origin="/data/c"))
    with database.read() as connection:
        assert list(documents.read_from_files(connection, notes.id)) == [("a", "/data/a"), ("b", "/data/b")]
        assert passages.all_ids(connection, notes.id).tolist() == passage_ids(database, "a", "b", "api")
        began = passages.newest_id(connection)
    put(
        database, notes, document("b", "changed meanwhile", origin="/data/b"), document("d", origin="/data/d")
    )
    with database.read() as connection:
        asked = ["d", "a", "api", "b", "none"]
        assert documents.not_newer(connection, notes.id, asked, began) == ["a"]
        assert sorted(documents.not_newer(connection, notes.id, asked, began + 2)) == ["a", "b", "d"]


def test_ids_begin_at_nothing(database, notes):
    with database.read() as connection:
        assert passages.newest_id(connection) == 0
        assert passages.all_ids(connection, notes.id).tolist() == []


# Metadata

KINDS_OF_METADATA = {
    "text": "plain",
    "empty text": "",
    "long": "长" * INDEXED_CHARACTERS + "and then some",
    "longer by one than its index": "y" * (INDEXED_CHARACTERS + 1),
    "quotes": 'it\'s "so" %s :x ? \\ ;--',
    "whole": 42,
    "negative": -7,
    "largest": 2**53,
    "smallest": -(2**53),
    "decimal": 0.1,
    "whole decimal": 3.0,
    "tiny": 5e-324,
    "huge": 1.7976931348623157e308,
    "yes": True,
    "no": False,
    "time": NOW,
    "early": datetime(1, 1, 1, tzinfo=UTC),
    "late": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "none of them": [],
    "one of them": ["single"],
    "texts": ["b", "a", "b", ""],
    "numbers": [3, 1, 2],
    "decimals": [1.5, -0.5],
    "booleans": [True, False],
    "名字 'with' \"quotes\" %(x)s": "值",
}


def test_metadata_of_every_kind_comes_back_as_it_was_given(database, notes):
    given = checked_metadata(KINDS_OF_METADATA)
    put(database, notes, document("a", metadata=given), document("b", metadata={"whole": 1}))
    found = detail(database, notes, "a").document.metadata
    assert found == given
    assert list(found) == list(given)
    for name, value in given.items():
        elements = zip(value, found[name], strict=True) if isinstance(value, list) else [(value, found[name])]
        assert all(type(before) is type(after) for before, after in elements), name
    assert detail(database, notes, "b").document.metadata == {"whole": 1}


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"n": 2**53 + 1}, "'n' is beyond 2\\*\\*53; give it as text"),
        ({"n": -(2**53) - 1}, "beyond 2\\*\\*53"),
        ({"n": 10**400}, "beyond 2\\*\\*53"),
        ({"n": [1, 2**60]}, "beyond 2\\*\\*53"),
        ({"n": math.nan}, "not a finite number"),
        ({"n": -math.inf}, "not a finite number"),
        ({"n": None}, "neither text, number, boolean"),
        ({"n": {"a": 1}}, "neither text, number, boolean"),
        ({"n": [["a"]]}, "neither text, number, boolean"),
        ({"n": "nul \x00"}, "a character that is no text"),
        ({"n": ["half \ud83d"]}, "a character that is no text"),
        ({"n": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))}, "a time that has no date in UTC"),
        ({"": 1}, "name has 1 to 100 characters"),
        ({"x" * 101: 1}, "name has 1 to 100 characters"),
        ({"$n": 1}, "does not start with \\$"),
        ({"half \ud83d": 1}, "a character that is no text"),
        ({"nul \x00": 1}, "a character that is no text"),
        ({"document.key": 1}, "reserved 'document.'"),
        ({f"n{number}": 1 for number in range(201)}, "201 fields; at most 200"),
        ({"n": ["x"] * 1001}, "over 1000 elements"),
    ],
)
def test_metadata_that_could_not_come_back_as_given_is_refused(metadata, told):
    with pytest.raises(InvalidRecord, match=told):
        checked_metadata(metadata)


# Listing


def test_pages_go_by_key_and_show_every_document_once(database, notes):
    keys = ["Z", "a", "aa", "b", "z", "é", "一", "丁", "\U0001f40e"]  # by code point
    for key in reversed(keys):
        put(database, notes, document(key, metadata={"even": keys.index(key) % 2 == 0}))
    put(database, new_collection(database, "other"), document("c"))

    def walked(limit, matching):
        cursor, seen, pages = None, [], 0
        while True:
            with database.read() as connection:
                page = listing.page(connection, notes, limit, cursor, matching)
            assert page.total == (9 if matching is WHOLE else 5)
            seen += [summary.key for summary in page.documents]
            cursor, pages = page.next_cursor, pages + 1
            if cursor is None:
                return seen, pages
            assert len(page.documents) == limit and cursor == seen[-1]

    assert walked(2, WHOLE) == (keys, 5)
    assert walked(3, WHOLE) == (keys, 3)
    assert walked(9, WHOLE) == walked(100, WHOLE) == (keys, 1)
    assert walked(2, DocumentRow.key.in_(keys[::2])) == (keys[::2], 3)
    with database.read() as connection:
        page = listing.page(connection, notes, 9, None, WHOLE)
        assert page.documents[0].metadata == {"even": True}
        assert listing.page(connection, notes, 5, "\U0001f40e", WHOLE).documents == []
        assert [found.key for found in listing.page(connection, notes, 1, "aaa", WHOLE).documents] == ["b"]


WHOLE = sa.true()


def test_keys_that_no_document_can_have_are_unknown_and_no_crash(database, notes):
    put(database, notes, document("a"))
    for key in ("half \ud83d", "nul \x00", "A", "a ", "x" * 5000):
        with pytest.raises(UnknownDocument):
            detail(database, notes, key)
        assert remove(database, notes, key, "b") == Deleted([], [key, "b"])
        with database.read() as connection:
            assert passages.under(connection, notes.id, [key]) == {}
            assert documents.content_hashes(connection, notes.id, [key, "a"]).keys() == {"a"}
    with database.read() as connection:
        for cursor in ("half \ud83d", "nul \x00"):
            with pytest.raises(InvalidInput, match="cursor"):
                listing.page(connection, notes, 1, cursor, WHOLE)


def test_counts_of_a_collection(database, notes):
    assert collections_counts(database, notes) == (0, 0)
    put(database, notes, document("a", "one", "two"), document("b"))
    assert collections_counts(database, notes) == (2, 3)
    with database.read() as connection:
        assert passages.count(connection, notes.id) == 3
        assert collections.unfolded(connection, current(database)) == 3


def collections_counts(database, collection):
    with database.read() as connection:
        return collections.counts(connection, collection)


# What caches read


def test_caches_read_vectors_and_texts_block_by_block(database, notes, monkeypatch):
    monkeypatch.setattr(passages, "_BLOCK_ROWS", 3)
    put(database, notes, *(document(f"{number}", f"words {number}") for number in range(8)))
    put(database, new_collection(database, "other"), document("x"))
    ids = passage_ids(database, *(f"{number}" for number in range(8)))
    expected = np.array([ENCODER.vector(f"words {number}") for number in range(8)])
    with database.read() as connection:
        blocks = list(passages.vector_blocks(connection, notes))
        assert [len(block[0]) for block in blocks] == [3, 3, 2]
        assert np.concatenate([block[0] for block in blocks]).tolist() == ids
        np.testing.assert_array_equal(np.concatenate([block[1] for block in blocks]), expected)
        assert blocks[0][1].dtype == np.float32
        some, rows = passages.vectors_of(connection, notes, [ids[5], 10**6, ids[2]])
        assert some.tolist() == [ids[2], ids[5]]
        np.testing.assert_array_equal(rows, expected[[2, 5]])
        texts = list(passages.all_indexed_texts(connection, notes.id))
        assert texts == passages.indexed_texts(connection, ids)
        assert texts[4] == passages.IndexedText(ids[4], "Title of 4", "", "words 4")
        assert passages.indexed_texts(connection, [10**6]) == []
