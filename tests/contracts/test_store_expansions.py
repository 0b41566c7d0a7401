"""Expansions on both databases: the newest test decides, and none outlives its collection."""

import pytest
import sqlalchemy as sa

from indexer.store import collections, expansions
from indexer.store.expansions import StoredExpansion
from indexer.store.tables import ExpansionRow
from search.errors import UnknownCollection
from tests.contracts.stored import NOW, new_collection

pytest_plugins = ["tests.contracts.databases"]

FOUND = StoredExpansion(
    {"lexical": 0.3}, {"transformer": "f", "mix": "usual"}, {"lexical": {"p_value": 0.01}}
)
NOTHING = StoredExpansion({}, {"transformer": "f", "mix": "usual"}, {"lexical": {"p_value": 0.5}})


@pytest.fixture
def notes(database):
    return new_collection(database)


def put(database, collection, found):
    with database.write() as connection:
        expansions.put(connection, collection, found, NOW)


def stored(database, collection):
    with database.read() as connection:
        return expansions.of_collection(connection, collection)


def test_the_newest_test_decides(database, notes):
    assert stored(database, notes) is None
    put(database, notes, FOUND)
    assert stored(database, notes) == FOUND
    put(database, notes, NOTHING)
    assert stored(database, notes) == NOTHING


def test_what_is_forgotten_is_forgotten_of_one_collection(database, notes):
    other = new_collection(database, "other")
    put(database, notes, FOUND)
    put(database, other, FOUND)
    with database.write() as connection:
        expansions.remove(connection, notes)
    assert stored(database, notes) is None
    assert stored(database, other) == FOUND


def test_it_goes_with_its_collection_and_none_comes_to_one_that_is_gone(database, notes):
    put(database, notes, FOUND)
    with database.write() as connection:
        collections.delete(connection, notes)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(ExpansionRow)).scalar_one() == 0
    with pytest.raises(UnknownCollection):
        put(database, notes, FOUND)
