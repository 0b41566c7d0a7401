"""A collection's own encoder is replaced and brought back, on both databases."""

import pytest
import sqlalchemy as sa

from indexer.store import collections, later_vectors, own_encoder, passages
from indexer.store.documents import ChangedMeanwhile, PackedStates, Reading, store
from indexer.store.tables import EmbeddingRow, TokenStatesRow
from search.errors import InvalidInput, UnknownEncoder
from tests.contracts.stored import LATER, NOW, current, document, new_collection, put

pytest_plugins = ["tests.contracts.databases"]

DIMENSION = 4


@pytest.fixture
def notes(database):
    notes = new_collection(database)
    put(database, notes, document("a"), document("b"))
    return notes


def bring(database, notes, name):
    with database.write() as connection:
        encoder = collections.ensure_encoder(connection, name, f"{name}-1", DIMENSION, NOW)
        return own_encoder.bring(connection, notes, encoder, NOW)


def read_all(database, seen):
    with database.write() as connection:
        made = Reading(b"\0" * 4 * DIMENSION, PackedStates("codec", b"states"))
        lacking = later_vectors.lacking(connection, seen, 100)
        later_vectors.add(connection, seen, dict.fromkeys(lacking, made))
        own_encoder.all_read(connection, seen)


def adopt(database, seen, now=NOW):
    with database.write() as connection:
        own_encoder.adopt(connection, seen, now)


def facts(database, notes):
    """Return encoder -> own, former, complete."""
    with database.read() as connection:
        infos = collections.encoder_infos(connection, collections.get(connection, notes.name))
        return {info.name: (info.own, info.former, info.complete) for info in infos}


def made_by(database, seen):
    with database.read() as connection:
        return [
            connection.execute(
                sa.select(sa.func.count()).where(row.encoder_id == seen.encoder_id)
            ).scalar_one()
            for row in (EmbeddingRow, TokenStatesRow)
        ]


def test_it_takes_the_place_when_all_is_read_and_gives_it_back(database, notes):
    first = bring(database, notes, "first")
    assert facts(database, notes)["first"] == (False, False, False)
    with database.read() as connection, pytest.raises(UnknownEncoder):
        collections.through(connection, notes, "first")
    with pytest.raises(InvalidInput, match="has not read all passages"):
        adopt(database, first)
    assert bring(database, notes, "first") == first
    read_all(database, first)
    assert made_by(database, first) == [2, 2]
    adopt(database, first)
    before = notes.encoder
    assert facts(database, notes) == {"first": (True, False, True), before: (False, True, True)}
    adopt(database, first, LATER)  # once more changes nothing
    assert facts(database, notes)[before] == (False, True, True)
    with database.write() as connection:
        assert own_encoder.roll_back(connection, notes, LATER).encoder == before
    assert facts(database, notes) == {before: (True, False, True), "first": (False, True, True)}


def test_the_former_before_the_former_goes_with_all_it_made(database, notes):
    first, second = bring(database, notes, "first"), bring(database, notes, "second")
    for seen in (first, second):
        read_all(database, seen)
    adopt(database, first)
    adopt(database, second, LATER)
    assert facts(database, notes) == {"second": (True, False, True), "first": (False, True, True)}
    assert made_by(database, notes) == [0, 0] and made_by(database, first) == [2, 2]


def test_there_is_nothing_to_go_back_to_before_a_switch(database, notes):
    bring(database, notes, "first")
    with database.write() as connection, pytest.raises(InvalidInput, match="no former encoder"):
        own_encoder.roll_back(connection, notes, NOW)


def test_an_encoder_that_was_removed_meanwhile_is_not_adopted(database, notes):
    first = bring(database, notes, "first")
    read_all(database, first)
    with database.write() as connection:
        collections.remove_encoder(connection, notes, first.encoder_id)
    assert made_by(database, first) == [0, 0]
    with pytest.raises(UnknownEncoder):
        adopt(database, first)


def test_who_stores_by_the_encoder_of_before_is_sent_back(database, notes):
    first = bring(database, notes, "first")
    read_all(database, first)
    adopt(database, first)
    others = {notes.encoder_id: True}
    with database.write() as connection, pytest.raises(ChangedMeanwhile):
        store(connection, notes, [document("c")], NOW, {first.encoder_id: True})
    now = current(database, notes.name)
    assert now.encoder == "first"
    with database.write() as connection:
        assert store(connection, now, [document("c")], NOW, others)[0].outcome == "created"
        assert passages.count(connection, notes.id) == 3
