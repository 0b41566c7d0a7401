"""Several encoders of one collection: their vectors, their generations, who is searched by and when."""

from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from scipy.sparse import csr_array

from indexer.keeper import Keeper
from indexer.snapshots import CollectionPicture
from indexer.store import collections, later_vectors, passages
from indexer.store.documents import ChangedMeanwhile, Reading, store
from indexer.store.tables import ChangeRow
from indexer.store.vector_bytes import packed, unpacked
from search.encoders.fitted.served import Served
from search.errors import UnknownEncoder
from search.text.analyzer import Analyzer
from tests.contracts.stored import ENCODER, LATER, NOW, current, document, new_collection, put, remove

pytest_plugins = ["tests.contracts.databases"]

SPARSE = {"a": [0, 3, 0, 4], "b": [0, 0, 1, 0], "c": [2, 0, 0, 0]}
"""Document -> its vector by the fitted encoder; no word of it is negative."""


def vector(key):
    row = np.array([SPARSE[key]], dtype=np.float32)
    return csr_array(row / np.linalg.norm(row))


@pytest.fixture
def notes(database):
    notes = new_collection(database)
    put(database, notes, document("a"), document("b"))
    return notes


def add(database, notes, fingerprint="words-1", kind="sparse", dimension=4):
    with database.write() as connection:
        encoder = collections.ensure_encoder(connection, "words", fingerprint, dimension, NOW, kind)
        return collections.add_encoder(connection, notes, encoder, 2, f"made of {fingerprint}", NOW)


def keys_by_passage(connection, notes):
    found = passages.under(connection, notes.id, ["a", "b", "c"])
    return {ids[0]: key for key, ids in found.items()}


def fill(database, notes, seen):
    """Give every passage that lacks one its vector, and let searches use the encoder."""
    with database.write() as connection:
        keys = keys_by_passage(connection, notes)
        lacking = later_vectors.lacking(connection, seen, 100)
        made = {passage: Reading(packed(vector(keys[passage]))[0], None) for passage in lacking}
        later_vectors.add(connection, seen, made)
        collections.completed(connection, seen)


def stored(database, seen):
    with database.read() as connection:
        keys = keys_by_passage(connection, seen)
        ids, rows = next(passages.vector_blocks(connection, seen))
        return {keys[passage]: row for passage, row in zip(ids.tolist(), rows.toarray(), strict=True)}


def names(database, notes):
    with database.read() as connection:
        return [(seen.encoder, seen.complete) for seen in collections.encoders_of(connection, notes)]


def test_an_encoder_is_searched_by_once_every_passage_has_its_vector(database, notes):
    seen = add(database, notes)
    assert (seen.encoder, seen.kind, seen.dimension, seen.complete) == ("words", "sparse", 4, False)
    assert (seen.id, seen.name, seen.change_number) == (notes.id, "notes", 2)
    with database.read() as connection:
        with pytest.raises(UnknownEncoder, match="no encoder 'words' to search by; it has: toy;"):
            collections.through(connection, notes, "words")
        waiting = later_vectors.lacking(connection, seen, 100)
        assert list(waiting.values()) == ["Title of a\ntext of a", "Title of b\ntext of b"]
        assert later_vectors.lacking(connection, seen, 1) == dict(list(waiting.items())[:1])
    fill(database, notes, seen)
    assert names(database, notes) == [("toy", True), ("words", True)]
    with database.read() as connection:
        assert collections.through(connection, notes, "words").encoder_id == seen.encoder_id
        assert collections.through(connection, notes, "transformer") == notes
        assert later_vectors.lacking(connection, seen, 100) == {}
    found = stored(database, seen)
    assert {key: row.tolist() for key, row in found.items()} == {
        key: pytest.approx(vector(key).toarray()[0].tolist()) for key in "ab"
    }
    assert current(database).encoder == "toy"


def test_what_is_stored_brings_its_vectors_by_all_encoders_of_that_moment(database, notes):
    seen = add(database, notes)
    with pytest.raises(ChangedMeanwhile):  # prepared before the encoder came
        put(database, notes, document("c"))
    assert names(database, notes) == [("toy", True), ("words", False)]
    prepared = document("c")
    prepared.passages[0] = replace(
        prepared.passages[0], others={seen.encoder_id: Reading(packed(vector("c"))[0], None)}
    )
    with database.write() as connection:
        store(connection, notes, [prepared], NOW, {seen.encoder_id: True})
    fill(database, notes, seen)
    assert sorted(stored(database, seen)) == ["a", "b", "c"]


def test_an_encoder_that_could_not_read_what_is_stored_is_not_searched_by(database, notes):
    seen = add(database, notes)
    fill(database, notes, seen)
    with database.write() as connection:
        outcome = store(connection, notes, [document("c")], NOW, {seen.encoder_id: False})
    assert outcome[0].outcome == "created"
    assert names(database, notes) == [("toy", True), ("words", False)]
    fill(database, notes, seen)
    assert names(database, notes) == [("toy", True), ("words", True)]


def test_a_new_fit_takes_the_place_of_the_one_before_with_all_it_made(database, notes):
    old = add(database, notes)
    fill(database, notes, old)
    new = add(database, notes, "words-2")
    with database.read() as connection:
        assert collections.through(connection, notes, "words").fingerprint == "words-1"
    fill(database, notes, new)
    with database.read() as connection:
        assert collections.through(connection, notes, "words").fingerprint == "words-2"
        assert list(passages.vector_blocks(connection, old)) == []
        assert collections.fit_before(connection, notes, "made of words-1") is None
        assert collections.fit_before(connection, notes, "made of words-2").encoder_id == new.encoder_id
    with database.write() as connection:
        assert collections.drop_unused_encoders(connection) == [("words", "words-1")]
        assert collections.fitted_encoders(connection) == {("words", "words-2")}
        assert collections.drop_unused_encoders(connection) == []


def test_two_collections_that_learn_the_same_share_an_encoder(database, notes):
    other = new_collection(database, "other")
    put(database, other, document("a"))
    seen = [add(database, each) for each in (notes, other)]
    assert seen[0].encoder_id == seen[1].encoder_id
    for each, collection in zip(seen, (notes, other), strict=True):
        fill(database, collection, each)
    assert add(database, notes).complete  # the same fit once more stays in use
    with database.write() as connection:
        collections.delete(connection, other)
        assert collections.drop_unused_encoders(connection) == []
    assert sorted(stored(database, seen[0])) == ["a", "b"]


@pytest.fixture
def keeper(database, tmp_path):
    analyzer = Analyzer()
    return Keeper(database, tmp_path / "caches", analyzer, 2000, 400_000, lambda: LATER)


def served(seen):
    return Served(seen.fingerprint, seen.dimension, lambda: None)


def opened(database, keeper, seen):
    """Return a new process's picture of the collection, and how to look at it."""
    picture = CollectionPicture(database, keeper.caches, served(seen), keeper.analyzer)

    def snapshot():
        with database.read() as connection:
            now = collections.get(connection, seen.name)
            return picture.snapshot(connection, collections.through(connection, now, seen.encoder), None)

    return snapshot


@pytest.mark.parametrize("folded", [False, True])
def test_sparse_vectors_are_searched_as_rows_as_a_generation_and_with_a_tail(database, notes, keeper, folded):
    seen = add(database, notes)
    fill(database, notes, seen)
    if folded:
        openers = {"toy": lambda _: ENCODER, "words": served}
        assert keeper.fold_due(current(database), lambda one: openers[one.encoder](one))
        assert not keeper.fold_due(current(database), served)
    snapshot = opened(database, keeper, seen)
    query = np.array([0, 1, 0, 0], dtype=np.float32)

    def found():
        now = snapshot()
        assert now.degraded == ()
        ids, scores, exact = now.vectors.search(query, 10, None)
        assert exact
        with database.read() as connection:
            keys = keys_by_passage(connection, notes)
        return now.vectors.generation, [
            (keys[passage], score) for passage, score in zip(ids, scores, strict=True)
        ]

    generation, hits = found()
    assert (generation is not None) is folded
    assert hits == [("a", pytest.approx(0.6))]  # what shares no word with the question is no answer
    prepared = document("c")
    prepared.passages[0] = replace(
        prepared.passages[0], others={seen.encoder_id: Reading(packed(vector("a"))[0], None)}
    )
    with database.write() as connection:
        store(connection, notes, [prepared], NOW, {seen.encoder_id: True})
    assert found()[1] == [("a", pytest.approx(0.6)), ("c", pytest.approx(0.6))]
    remove(database, notes, "a")
    assert found()[1] == [("c", pytest.approx(0.6))]


def test_the_log_is_kept_for_the_oldest_cache_of_any_encoder(database, notes, keeper):
    seen = add(database, notes)
    fill(database, notes, seen)
    keeper.follow(current(database))

    def logged_after_folding(one):
        keeper.fold(one, ENCODER if one.encoder == "toy" else served(one))
        with database.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(ChangeRow)).scalar_one()

    assert logged_after_folding(current(database)) == 2
    assert logged_after_folding(seen) == 0


@pytest.mark.parametrize("sparse", [False, True])
def test_vectors_come_back_from_their_bytes(sparse):
    rows = np.array([[0, 0.5, 0, -0.25], [0, 0, 0, 0], [1, 0, 0, 1e-30]], dtype=np.float32)
    blobs = packed(csr_array(rows) if sparse else rows)
    assert [len(blob) for blob in blobs] == ([16, 0, 16] if sparse else [16, 16, 16])
    back = unpacked(blobs, 4, sparse)
    np.testing.assert_array_equal(back.toarray() if sparse else back, rows)
    assert unpacked([], 4, sparse).shape == (0, 4)


def test_passages_to_learn_from_come_document_by_document_in_reading_order(database, monkeypatch):
    monkeypatch.setattr(later_vectors, "_BLOCK_ROWS", 2)
    notes = new_collection(database)
    put(database, notes, document("a", "first", "second", "third"), document("b", title=""))
    put(database, new_collection(database, "other"), document("c"))
    put(database, notes, document("a", "changed", "again"))
    with database.read() as connection:
        found = list(later_vectors.learning_passages(connection, notes.id))
    assert [(each.document, each.heading, each.text) for each in found] == [
        (0, "Title of a", "changed"),
        (0, "Title of a", "again"),
        (1, "", "text of b"),
    ]
    assert [each.input for each in found][1:] == ["Title of a\nagain", "text of b"]
