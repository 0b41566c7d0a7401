"""Fitted mixes on both databases: at most one in use, and none outlives its use or its collection."""

import pytest
import sqlalchemy as sa

from indexer.store import collections, mixes
from indexer.store.mixes import StoredMix
from indexer.store.tables import MixRow
from search.errors import UnknownCollection
from tests.contracts.stored import NOW, new_collection

pytest_plugins = ["tests.contracts.databases"]


@pytest.fixture
def notes(database):
    return new_collection(database)


def add(database, collection, weight, use):
    values = {
        "weights": {"lsi": weight},
        "made_of": {"own": "1-toy", "attention": "simple", "lsi": "f"},
        "figures": {"p_value": 0.25},
        "adopted": use,
    }
    with database.write() as connection:
        mixes.add(connection, collection, values, use, NOW)


def used(database, collection):
    with database.read() as connection:
        return mixes.in_use(connection, collection)


def weights_stored(database):
    with database.read() as connection:
        rows = connection.execute(sa.select(MixRow.weights, MixRow.in_use).order_by(MixRow.id))
        return [(row.weights["lsi"], row.in_use) for row in rows]


def test_what_was_put_into_use_is_read_back(database, notes):
    assert used(database, notes) is None
    add(database, notes, 0.25, use=True)
    mix = used(database, notes)
    assert mix == StoredMix(
        mix.id,
        {"lsi": 0.25},
        {"own": "1-toy", "attention": "simple", "lsi": "f"},
        {"p_value": 0.25},
        True,
        True,
    )


def test_one_that_is_not_adopted_leaves_the_one_in_use(database, notes):
    add(database, notes, 0.25, use=True)
    add(database, notes, 0.5, use=False)
    add(database, notes, 0.75, use=False)
    assert used(database, notes).weights == {"lsi": 0.25}
    assert weights_stored(database) == [(0.25, True), (0.75, False)]


def test_another_takes_the_place_of_the_one_in_use(database, notes):
    add(database, notes, 0.25, use=True)
    add(database, notes, 0.5, use=True)
    assert used(database, notes).weights == {"lsi": 0.5}
    assert weights_stored(database) == [(0.5, True)]


def test_the_usual_mix_again(database, notes):
    add(database, notes, 0.25, use=True)
    other = new_collection(database, "other")
    add(database, other, 0.5, use=True)
    with database.write() as connection:
        mixes.use_usual(connection, notes)
    assert used(database, notes) is None
    assert used(database, other).weights == {"lsi": 0.5}


def test_it_goes_with_its_collection_and_none_comes_to_one_that_is_gone(database, notes):
    add(database, notes, 0.25, use=True)
    with database.write() as connection:
        collections.delete(connection, notes)
    assert weights_stored(database) == []
    with pytest.raises(UnknownCollection):
        add(database, notes, 0.25, use=True)
