"""Token states that were damaged in the database: a plainer answer that says so, no error."""

import json
import logging
import zlib

import pytest
import sqlalchemy as sa

from indexer.cli import run
from search.ranking.token_codec import unpacked
from web.service import EXTENSION

TEXTS = {
    "heron": "The heron waits in the shallow water until a fish comes near.",
    "白鹭": "白鹭站在浅水里，等鱼游近了才动。",
    "bread": "Knead the dough, let it rise for an hour, and bake it in a hot oven.",
}


@pytest.fixture
def served(client, app, collection):
    for key, text in TEXTS.items():
        body = {
            "text": text,
            "title": collection,
        }  # texts read before bring their states
        stored = client.put(f"/v1/collections/{collection}/documents/{key}", json=body)
        assert stored.status_code == 201
    return client, app.extensions[EXTENSION].get().database, collection


def cut(states):
    return states[:40]


def emptied(states):
    return b""


def of_another_version(states):
    return bytes([250]) + states[1:]


def of_another_size(states):
    return states[:4] + (20).to_bytes(2, "little") + states[6:]


def of_infinite_size(states):
    return states[:6] + b"\x00\x00\x80\x7f" + states[10:]


def without_places(states):
    return states[: -len(unpacked(states).packed_spans)] + b"no zlib"


def with_few_places(states):
    end = len(states) - len(unpacked(states).packed_spans)
    return states[:end] + zlib.compress((0).to_bytes(4, "little") + (1).to_bytes(4, "little"))


def far_away(states):
    found = unpacked(states)
    steps = bytearray(zlib.decompress(found.packed_spans))
    steps[2] = 1  # the first place is 65,536 further on, and all after it
    return states[: -len(found.packed_spans)] + zlib.compress(bytes(steps))


DAMAGES = [
    cut,
    emptied,
    of_another_version,
    of_another_size,
    of_infinite_size,
    without_places,
    with_few_places,
    far_away,
]


THEIRS = """passage_id IN (SELECT passages.id FROM passages JOIN collections
    ON collections.id = passages.collection_id WHERE collections.name = :collection)"""


def damage(database, collection, how, among=THEIRS):
    with database.write() as connection:
        asked = sa.text(f"SELECT passage_id, states FROM token_states WHERE {among} ORDER BY passage_id")
        states = connection.execute(asked, {"collection": collection}).all()
        for passage, stored in states:
            change = sa.text("UPDATE token_states SET states = :states WHERE passage_id = :passage")
            connection.execute(change, {"states": how(stored), "passage": passage})
    return [passage for passage, _ in states]


@pytest.mark.parametrize("how", DAMAGES, ids=lambda how: how.__name__)
def test_a_search_that_meets_damaged_states_ranks_as_hybrid_and_says_so(served, how, caplog):
    client, database, collection = served
    asked = {"query": "白鹭怎么捕鱼", "explain": True}
    hybrid = client.post(f"/v1/collections/{collection}/search", json=asked | {"mode": "hybrid"}).json
    passages = damage(database, collection, how)
    with caplog.at_level(logging.WARNING):
        answer = client.post(f"/v1/collections/{collection}/search", json=asked)
    assert answer.status_code == 200
    assert (answer.json["mode"], answer.json["hits"]) == ("hybrid", hybrid["hits"])
    (told,) = answer.json["degraded"]
    assert "damaged" in told and "xunyi worker --once" in told
    assert f"{len(passages)} passages are damaged" in caplog.text
    page = client.get("/", query_string={"q": "heron", "collection": collection})
    assert page.status_code == 200 and "damaged" in page.text


def test_the_shell_says_so_and_the_cure_cures(served, settings, capsys):
    _, database, collection = served
    damage(database, collection, cut)
    capsys.readouterr()
    home = ["--home", str(settings.home)]
    assert run(["search", "heron", "-c", collection, *home]) == 0
    printed = capsys.readouterr()
    assert "hybrid" in printed.out
    assert "are damaged, so attention does not rank" in " ".join(printed.err.split())
    assert run(["worker", "--once", *home]) == 0
    capsys.readouterr()
    assert run(["search", "heron", "-c", collection, *home, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["mode"], found["degraded"]) == ("attention", [])


def test_one_damaged_passage_among_sound_ones_is_enough(served):
    client, database, collection = served
    damage(database, collection, emptied, f"{THEIRS} AND passage_id = (SELECT max(id) FROM passages)")
    found = client.get(f"/v1/collections/{collection}/search", query_string={"q": "bread"}).json
    assert found["mode"] == "hybrid" and "1 of the best passages" in found["degraded"][0]
