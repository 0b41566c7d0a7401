"""Token states on both databases: stored with their passages, read, and made where they are missing."""

import logging

import numpy as np
import pytest
import sqlalchemy as sa

from indexer.chunking import passage_input
from indexer.pipeline import Incoming, Pipeline
from indexer.readers.base import Extracted
from indexer.states_filling import Filler, drop_flawed, flawed
from indexer.store import collections, passages, token_states
from indexer.store.documents import PackedStates
from indexer.store.tables import EmbeddingRow, PassageRow, TokenStatesRow
from indexer.store.token_states import Reading, ReadPassage, known_readings, states_of, waiting
from indexer.token_states import codec_of, input_hash
from search.centring import mean_of_all
from search.encoders.base import token_encoder
from search.errors import UnknownCollection
from search.ranking.token_codec import VERSION, packed
from tests.contracts.stored import (
    NOW,
    ToyEncoder,
    ToyTokenEncoder,
    current,
    document,
    new_collection,
    put,
    remove,
)

pytest_plugins = ["tests.contracts.databases"]

CODEC = f"{VERSION}-toy-means-1"


@pytest.fixture
def encoder():
    return ToyTokenEncoder()


@pytest.fixture
def notes(database):
    return new_collection(database)


def store(database, collection, encoder, *texts):
    """Put a document for each text through the pipeline, under its text."""
    pipeline = Pipeline(database, collection, lambda _: encoder, lambda: NOW, lambda _: None)
    return pipeline.store(
        [
            Incoming(text[:100], Extracted(text=text, title="T", media_type="text/plain"), "api")
            for text in texts
        ]
    )


def expected(encoder, text):
    read = passage_input("T", "", text)
    tokens = encoder.tokens(read)
    return packed(tokens.states, tokens.spans, read, mean_of_all(encoder.token_passage_means))


def stored(database, table=TokenStatesRow):
    """Return text -> states, or vector, of all passages that have one."""
    value = table.states if table is TokenStatesRow else table.vector
    query = sa.select(PassageRow.text, value).join(table, table.passage_id == PassageRow.id)
    with database.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def ids_of(database, *texts):
    with database.read() as connection:
        rows = connection.execute(sa.select(PassageRow.text, PassageRow.id)).all()
    return [dict(map(tuple, rows))[text] for text in texts]


def count_waiting(database, collection, codec=CODEC):
    with database.read() as connection:
        return waiting(connection, collection, codec)


def forgotten(database, *texts):
    """Take their states from passages of these texts, or from all, as an older version leaves them."""
    query = sa.delete(TokenStatesRow)
    if texts:
        theirs = sa.select(PassageRow.id).where(PassageRow.text.in_(texts))
        query = query.where(TokenStatesRow.passage_id.in_(theirs))
    with database.write() as connection:
        connection.execute(query)


# Storing


def test_a_passage_is_stored_with_its_states_and_its_vector(database, notes, encoder):
    store(database, notes, encoder, "a heron waits", "茶 and tea, no. 5")
    assert stored(database) == {
        text: expected(encoder, text) for text in ("a heron waits", "茶 and tea, no. 5")
    }
    assert stored(database, EmbeddingRow) == {
        text: encoder.vector(passage_input("T", "", text)).astype("<f4").tobytes()
        for text in stored(database)
    }
    assert count_waiting(database, notes) == 0
    with database.read() as connection:
        assert set(connection.execute(sa.select(TokenStatesRow.codec)).scalars()) == {CODEC}


def test_an_encoder_that_tells_no_states_stores_none(database, notes, encoder, monkeypatch):
    assert token_encoder(encoder) is encoder
    monkeypatch.delattr(ToyTokenEncoder, "encode_tokens")
    assert token_encoder(encoder) is None and token_encoder(ToyEncoder()) is None
    store(database, notes, encoder, "a heron waits")
    assert stored(database) == {} and len(stored(database, EmbeddingRow)) == 1
    assert Filler(database).fill(notes, encoder) is False


def test_what_was_read_is_reused_only_where_vector_and_states_are_there(database, notes, encoder):
    store(database, notes, encoder, "one", "two")
    encoder.read()
    other = new_collection(database, "other")
    store(database, other, encoder, "one", "two", "three")
    assert encoder.read() == ["T\nthree"]
    forgotten(database, "one")
    store(database, new_collection(database, "third"), encoder, "one", "two")
    assert encoder.read() == ["T\none"]
    encoder.centring = "other means"
    store(database, new_collection(database, "fourth"), encoder, "one", "two")
    assert sorted(encoder.read()) == ["T\none", "T\ntwo"]


def test_known_readings_are_of_one_encoder_and_codec(database, notes, encoder):
    store(database, notes, encoder, "one", "two")
    forgotten(database, "two")
    one, two = (input_hash(f"T\n{text}") for text in ("one", "two"))
    vectors = stored(database, EmbeddingRow)
    states = PackedStates(CODEC, expected(encoder, "one"))
    with database.read() as connection:
        asked = [one, two, "none"]
        assert known_readings(connection, notes.encoder_id, None, asked) == {
            one: Reading(vectors["one"], None),
            two: Reading(vectors["two"], None),
        }
        assert known_readings(connection, notes.encoder_id, CODEC, asked) == {
            one: Reading(vectors["one"], states)
        }
        assert known_readings(connection, notes.encoder_id, "0-means", asked) == {}
        assert known_readings(connection, notes.encoder_id + 1, None, asked) == {}


def test_many_texts_are_read_a_slice_at_a_time(database, notes, encoder):
    texts = [f"text number {number}" for number in range(70)]
    store(database, notes, encoder, *texts)
    assert [len(part) for part in encoder.slices] == [32, 32, 6]
    assert stored(database) == {text: expected(encoder, text) for text in texts}


def test_passages_beyond_what_memory_should_hold_wait(database, notes, encoder, monkeypatch):
    monkeypatch.setattr("indexer.token_states.STATES_MAX", 2)
    store(database, notes, encoder, "one", "two", "three", "four")
    assert sorted(stored(database)) == ["one", "two"] and len(stored(database, EmbeddingRow)) == 4
    assert count_waiting(database, notes) == 2
    filled(database, notes, encoder)
    assert stored(database) == {text: expected(encoder, text) for text in ("one", "two", "three", "four")}


def test_states_go_with_their_passage(database, notes, encoder):
    store(database, notes, encoder, "one", "two", "three")
    remove(database, notes, "two")
    assert sorted(stored(database)) == ["one", "three"]
    with database.write() as connection:
        collections.delete(connection, notes)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(TokenStatesRow)).scalar_one() == 0


# Reading


def test_states_are_read_by_id_those_of_this_codec_alone(database, notes, encoder):
    texts = [f"text number {number}" for number in range(600)]
    store(database, notes, encoder, *texts)
    ids = ids_of(database, *texts)
    with database.read() as connection:
        found = states_of(connection, notes.encoder_id, CODEC, [*ids, 10**6])
        assert found == {passage: expected(encoder, text) for passage, text in zip(ids, texts, strict=True)}
        assert states_of(connection, notes.encoder_id, "0-means", ids) == {}
        assert states_of(connection, notes.encoder_id + 1, CODEC, ids) == {}
        assert states_of(connection, notes.encoder_id, CODEC, []) == {}


def test_a_hundred_ids_are_one_query(database, notes, encoder):
    store(database, notes, encoder, *(f"text number {number}" for number in range(100)))
    asked = []
    with database.read() as connection:
        sa.event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2]))
        ids = passages.all_ids(connection, notes.id).tolist()
        asked.clear()
        assert len(states_of(connection, notes.encoder_id, CODEC, ids)) == 100
        assert len(asked) == 1


def test_who_waits_is_counted_by_collection_and_codec(database, notes, encoder):
    store(database, notes, encoder, "one", "two", "three")
    store(database, new_collection(database, "other"), encoder, "four")
    put(database, notes, document("old", "without states"))
    forgotten(database, "one")
    assert count_waiting(database, notes) == 2
    assert count_waiting(database, notes, "0-means") == 4
    assert count_waiting(database, current(database, "other")) == 0


def test_passages_with_states_and_without_are_listed_in_pages(database, notes, encoder):
    texts = ["one", "two", "three", "four", "five"]
    store(database, notes, encoder, *texts)
    store(database, new_collection(database, "other"), encoder, "six")
    forgotten(database, "one", "three", "five", "six")
    one, two, three, four, _ = ids_of(database, *texts)
    with database.read() as connection:
        lacking = token_states.lacking(connection, notes, CODEC, 0, 2)
        assert lacking == [ReadPassage(one, "T", "", "one", None), ReadPassage(three, "T", "", "three", None)]
        after = token_states.lacking(connection, notes, CODEC, three, 2)
        assert [passage.text for passage in after] == ["five"]
        having = token_states.having(connection, notes, CODEC, 0, 1)
        assert having == [ReadPassage(two, "T", "", "two", expected(encoder, "two"))]
        assert [found.id for found in token_states.having(connection, notes, CODEC, two, 9)] == [four]
        assert token_states.having(connection, notes, "0-means", 0, 9) == []


# Filling


def filled(database, collection, encoder, filler=None):
    filler = filler or Filler(database)
    batches = 0
    while filler.fill(current(database, collection.name), encoder):
        batches += 1
    return batches


def test_passages_of_an_older_version_get_their_states_and_keep_their_vectors(
    database, notes, encoder, caplog
):
    caplog.set_level(logging.INFO, "indexer")
    texts = [f"text number {number}" for number in range(70)]
    store(database, notes, encoder, *texts)
    vectors, change = stored(database, EmbeddingRow), current(database).change_number
    forgotten(database)
    encoder.read()
    assert filled(database, notes, encoder) == 3
    assert sorted(encoder.read()) == sorted(f"T\n{text}" for text in texts)
    assert stored(database) == {text: expected(encoder, text) for text in texts}
    assert stored(database, EmbeddingRow) == vectors
    assert current(database).change_number == change
    assert [record.message for record in caplog.records] == [
        "making the token states of notes: 70 passages have none",
        "the token states of notes are made: 70 passages",
    ]


def test_states_with_other_means_take_the_place_of_those_before(database, notes, encoder):
    store(database, notes, encoder, "one", "two")
    encoder.centring = "other means"
    encoder.token_passage_means = {"en": np.linspace(0, 1, 16, dtype=np.float32)}
    assert filled(database, notes, encoder) == 1
    assert stored(database) == {text: expected(encoder, text) for text in ("one", "two")}
    assert count_waiting(database, notes, codec_of(encoder)) == 0 and codec_of(encoder) != CODEC


def test_who_begins_again_reads_only_what_is_still_missing(database, notes, encoder):
    texts = [f"text number {number}" for number in range(70)]
    store(database, notes, encoder, *texts)
    forgotten(database)
    Filler(database).fill(notes, encoder)
    encoder.read()
    assert filled(database, notes, encoder) == 2
    assert encoder.read() == [f"T\n{text}" for text in texts[32:]]


def test_what_is_complete_is_looked_at_again_only_when_something_was_stored(
    database, notes, encoder, monkeypatch
):
    filler = Filler(database)
    store(database, notes, encoder, "one")
    assert filled(database, notes, encoder, filler) == 0
    with monkeypatch.context() as patch:
        patch.setattr(token_states, "lacking", None)
        assert filler.fill(current(database), encoder) is False
    store(database, notes, encoder, "two", "three")
    forgotten(database, "three")
    assert filled(database, notes, encoder, filler) == 1
    assert sorted(stored(database)) == ["one", "three", "two"]


def test_a_text_that_is_everywhere_is_read_once(database, notes, encoder):
    put(database, notes, *(document(str(number), "same words", title="T") for number in range(5)))
    assert filled(database, notes, encoder) == 1
    assert encoder.read() == ["T\nsame words"]
    assert count_waiting(database, notes) == 0


def test_a_passage_that_goes_while_it_is_read_is_left_out(database, notes, encoder, monkeypatch):
    store(database, notes, encoder, "one", "two")
    forgotten(database)
    encode_tokens = encoder.encode_tokens

    def interrupted(texts, role):
        remove(database, notes, "one")  # which no open transaction of the filler may keep from being done
        return encode_tokens(texts, role)

    monkeypatch.setattr(encoder, "encode_tokens", interrupted)
    assert filled(database, notes, encoder) == 1
    assert list(stored(database)) == ["two"]


def test_a_collection_that_goes_while_it_is_read_is_told(database, notes, encoder, monkeypatch):
    store(database, notes, encoder, "one")
    forgotten(database)

    def interrupted(texts, role):
        with database.write() as connection:
            collections.delete(connection, notes)
        return ToyTokenEncoder.encode_tokens(encoder, texts, role)

    monkeypatch.setattr(encoder, "encode_tokens", interrupted)
    with pytest.raises(UnknownCollection):
        Filler(database).fill(notes, encoder)


# Damage


def damaged(database, text, states):
    (passage,) = ids_of(database, text)
    with database.write() as connection:
        row = sa.update(TokenStatesRow).where(TokenStatesRow.passage_id == passage)
        connection.execute(row.values(states=states))
    return passage


def test_damaged_states_are_found_dropped_and_made_anew(database, notes, encoder, caplog):
    store(database, notes, encoder, "one heron", "two herons", "three")
    right = stored(database)
    cut = damaged(database, "one heron", right["one heron"][:-3])
    foreign = damaged(database, "three", right["two herons"])
    with database.read() as connection:
        assert dict(flawed(connection, notes, encoder)) == {
            cut: "cannot be unpacked",
            foreign: "stand outside of the passage",
        }
    drop_flawed(database, notes, encoder)
    assert list(stored(database)) == ["two herons"]
    assert "damaged token states of notes are made anew: 2 passages" in caplog.text
    filled(database, notes, encoder)
    assert stored(database) == right
