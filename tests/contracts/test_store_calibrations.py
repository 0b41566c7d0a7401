"""Calibrations on both databases: one for each language, replaced together, gone with their collection."""

import pytest

from indexer.store import calibrations, collections, rankers
from indexer.store.calibrations import METHOD, StoredCalibration, made_of
from search.errors import UnknownCollection
from search.relevance import Calibration
from tests.contracts.stored import LATER, NOW, new_collection

pytest_plugins = ["tests.contracts.databases"]

FIRST = {"en": Calibration(0.3125, 0.0625), "zh": Calibration(0.25, 0.125, 0.75)}


@pytest.fixture
def notes(database):
    return new_collection(database)


def put(database, collection, made, **judged):
    with database.write() as connection:
        calibrations.put(
            connection, collection, made, made_of="1 codec simple", passages=70, judged=judged, now=NOW
        )


def stored(database, collection):
    with database.read() as connection:
        return calibrations.of_collection(connection, collection)


def test_what_was_put_is_read_back(database, notes):
    assert stored(database, notes) == {}
    put(database, notes, FIRST, zh=21)
    assert stored(database, notes) == {
        "en": StoredCalibration("en", "1 codec simple", 70, 0.3125, 0.0625, 0.9, 0),
        "zh": StoredCalibration("zh", "1 codec simple", 70, 0.25, 0.125, 0.75, 21),
    }
    assert stored(database, notes)["zh"].calibration == FIRST["zh"]


def test_new_ones_take_the_place_of_all(database, notes):
    put(database, notes, FIRST)
    put(database, notes, {"en": Calibration(0.5, 0.25)})
    assert {language: one.centre for language, one in stored(database, notes).items()} == {"en": 0.5}


def test_they_go_with_their_collection_and_come_to_no_other(database, notes):
    other = new_collection(database, "other")
    put(database, notes, FIRST)
    assert stored(database, other) == {}
    with database.write() as connection:
        collections.delete(connection, notes)
    assert stored(database, notes) == {}
    with pytest.raises(UnknownCollection):
        put(database, notes, FIRST)


def test_it_holds_for_what_ranks(database, notes):
    def current():
        with database.read() as connection:
            return made_of(connection, notes, "codec")

    assert current() == f"{METHOD} codec simple"
    values = {
        "kind": "causal",
        "folder": "f",
        "fingerprint": "0123456789abcdef" * 4,
        "encoder_fingerprint": "toy-1",
        "codec": "codec",
        "options": {},
        "figures": {},
        "adopted": True,
    }
    with database.write() as connection:
        rankers.add(connection, notes, values, True, LATER)
    assert current() == f"{METHOD} codec 0123456789abcdef"
    with database.write() as connection:
        rankers.use_simple(connection, notes)
    assert current() == f"{METHOD} codec simple"
