"""Questions about the words of a collection, through the real HTTP edge and the real shell."""

import json
from io import BytesIO

import numpy as np
import pytest
from gensim.models import KeyedVectors

from indexer.cli import run
from indexer.fitting import fit
from web.service import EXTENSION

FACTS = (
    ("tea", "The {0} is poured into a cup, and a cup of hot {0} warms the guest in winter."),
    ("coffee", "The {0} is poured into a cup, and a cup of hot {0} warms the guest in winter."),
    ("train", "The {0} stops at the station, and a late {0} leaves the station by night."),
    ("tram", "The {0} stops at the station, and a late {0} leaves the station by night."),
)


@pytest.fixture(scope="module")
def lexicon(app):
    client = app.test_client()
    for word, text in FACTS:
        for number in range(6):
            body = {"text": f"{text.format(word.title() if number else word)} Number {number}."}
            address = f"/v1/collections/lexicon/documents/{word}-{number}"
            assert client.put(address, json=body).status_code == 201
    service = app.extensions[EXTENSION].get()
    for kind in ("word2vec-skipgram", "cooccurrence"):
        fit(service, "lexicon", kind)
    return "/v1/collections/lexicon/words"


def ask(client, address, ask, *words, **more):
    answer = client.post(address, json={"ask": ask, "words": list(words), **more})
    assert answer.status_code == 200, answer.json
    return answer.json


def test_words_that_stand_in_the_same_places_are_neighbours(client, lexicon):
    found = ask(client, lexicon, "neighbours", "tea", encoder="cooccurrence", limit=20)
    assert (found["encoder"], found["words"]) == ("cooccurrence", ["tea"])
    scores = {each["word"]: each["score"] for each in found["found"]}
    assert scores["Coffee"] > max(scores.get(word, -1) for word in ("Train", "Tram", "station"))
    assert "coffee" not in scores  # words are shown as they are mostly spelt
    near = ask(client, lexicon, "similarity", "tea", "COFFEE", encoder="cooccurrence")["similarity"]
    far = ask(client, lexicon, "similarity", "tea", "station", encoder="cooccurrence")["similarity"]
    assert near == pytest.approx(scores["Coffee"], abs=1e-6) and near > far
    odd = ask(client, lexicon, "odd", "tea", "coffee", "cup", "station", encoder="cooccurrence")
    assert [each["word"] for each in odd["found"]] == ["station"]
    analogy = ask(client, lexicon, "analogy", "tea", "coffee", "train", limit=3, encoder="cooccurrence")
    assert len(analogy["found"]) == 3 and "Train" not in {each["word"] for each in analogy["found"]}
    contexts = {each["word"] for each in ask(client, lexicon, "contexts", "station")["found"]}
    assert contexts & {"Train", "Tram", "stops", "leaves", "late", "night"} and "cup" not in contexts
    assert ask(client, lexicon, "neighbours", "tea")["encoder"] == "word2vec-skipgram"
    assert ask(client, lexicon, "neighbors", "tea") == ask(client, lexicon, "neighbours", "tea")


@pytest.mark.parametrize(
    ("body", "status", "code", "part"),
    [
        ({"ask": "neighbours", "words": ["teaa"]}, 404, "unknown_word", "did you mean"),
        ({"ask": "neighbour", "words": ["tea"]}, 422, "invalid_input", "did you mean 'neighbours'?"),
        ({"ask": "analogy", "words": ["tea", "cup"]}, 422, "invalid_input", "takes three words, not 2"),
        ({"ask": "neighbours", "words": []}, 422, "invalid_input", "takes one word, not 0"),
        ({"ask": "odd", "words": ["tea", "cup"]}, 422, "invalid_input", "three words or more, not 2"),
        ({"ask": "neighbours", "words": ["hot tea"]}, 422, "invalid_input", "one word at a time"),
        ({"ask": "neighbours", "words": ["x" * 5000]}, 422, "invalid_input", "at most 100 characters"),
        ({"ask": "neighbours", "words": ["🍵"]}, 404, "unknown_word", "no word"),
        ({"ask": "neighbours", "words": ["tea"], "limit": 0}, 422, "invalid_input", "from 1 to 200"),
        (
            {"ask": "neighbours", "words": ["tea"], "encoder": "lsi"},
            422,
            "invalid_input",
            "no vectors",
        ),
        (
            {"ask": "neighbours", "words": ["tea"], "encoder": "word2vec-cbow"},
            404,
            "unknown_encoder",
            "train",
        ),
        ({"ask": "contexts", "words": ["tea"], "encoder": "word2vec-skipgram"}, 422, "invalid_input", "only"),
    ],
)
def test_what_cannot_be_answered_is_told_in_a_sentence(client, lexicon, body, status, code, part):
    answer = client.post(lexicon, json=body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert part in answer.json["detail"]


def test_a_collection_that_has_learned_no_words_says_how_it_can(client, library):
    answer = client.post(f"/v1/collections/{library}/words", json={"ask": "neighbours", "words": ["panda"]})
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_encoder")
    assert "`xunyi train word2vec-skipgram -c library`" in answer.json["detail"]
    answer = client.get(f"/v1/collections/{library}/words/vectors?encoder=word-vectors")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_encoder")
    assert "`xunyi words import FILE -c library`" in answer.json["detail"]


def test_the_shell_asks_as_well(settings, lexicon, capsys):
    home = ["-c", "lexicon", "--home", str(settings.home), "--encoder", "cooccurrence"]
    assert run(["words", "neighbours", "tea", "-n", "20", "--json", *home]) == 0
    assert "Coffee" in [each["word"] for each in json.loads(capsys.readouterr().out)["found"]]
    assert run(["words", "odd", "tea", "coffee", "cup", "station", *home]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "station"
    assert run(["words", "neighbours", "teaa", *home]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_vectors_and_counts_leave_by_both_edges_alike_and_gensim_reads_them(
    client, settings, lexicon, tmp_path
):
    vectors, counts = tmp_path / "vectors.txt", tmp_path / "counts.txt"
    home = ["-c", "lexicon", "--home", str(settings.home), "--encoder", "cooccurrence"]
    assert run(["words", "export", str(vectors), "--counts", str(counts), *home]) == 0
    for name, path in (("vectors", vectors), ("counts", counts)):
        answer = client.get(f"{lexicon}/{name}?encoder=cooccurrence")
        assert (answer.status_code, answer.mimetype, answer.data) == (200, "text/plain", path.read_bytes())
    theirs = KeyedVectors.load_word2vec_format(vectors, fvocab=counts)
    assert theirs.get_vecattr("tea", "count") == 12
    alike = ask(client, lexicon, "similarity", "tea", "coffee", encoder="cooccurrence")["similarity"]
    assert alike == pytest.approx(theirs.similarity("tea", "coffe"), abs=1e-6)
    assert client.get(f"{lexicon}/vectors?encoder=lsi").json["code"] == "invalid_input"
    assert client.get("/v1/collections/none/words/counts").json["code"] == "unknown_collection"


def test_a_file_that_is_wrong_or_cannot_be_written_changes_nothing(
    client, settings, lexicon, tmp_path, capsys
):
    home = ["-c", "lexicon", "--home", str(settings.home)]
    (tmp_path / "wrong.txt").write_text("2 2\ntea 1 nan\ncup 1 2\n")
    for arguments, told in (
        (
            ["import", str(tmp_path / "wrong.txt")],
            "line 2 of the vectors must have a word and 2 finite numbers",
        ),
        (["import", str(tmp_path / "none.txt")], "cannot be read: No such file"),
        (["import", str(tmp_path)], "cannot be read: Is a directory"),
        (["import", str(tmp_path / "wrong.txt"), "-n", "3"], "--limit does nothing here"),
        (["export", str(tmp_path / "no" / "file.txt")], "cannot be written: No such file"),
        (["export", str(tmp_path)], "cannot be written: Is a directory"),
        (["export"], "give one file: xunyi words export FILE"),
        (["neighbours", "tea", "--counts", "x"], "--counts does nothing here"),
    ):
        assert run(["words", *arguments, *home]) == 2
        assert told in capsys.readouterr().err
    assert run(["train", "word-vectors", *home]) == 2
    assert "`xunyi words import FILE` makes an encoder of them" in capsys.readouterr().err
    named = client.get("/v1/collections/lexicon/encoders").json["encoders"]
    assert "word-vectors" not in {each["name"] for each in named}
    assert [path.name for path in tmp_path.iterdir()] == ["wrong.txt"]
    assert list(settings.home.rglob("given")) == []


def test_vectors_made_elsewhere_become_an_encoder(client, settings, lexicon, tmp_path, capsys, work):
    theirs = KeyedVectors(8)
    words = ["tea", "coffee", "Train", "stations", "zebra"]
    theirs.add_vectors(words, np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32))
    theirs.save_word2vec_format(tmp_path / "theirs.txt")
    home = ["-c", "lexicon", "--home", str(settings.home)]
    for unchanged in (False, True):
        assert run(["words", "import", str(tmp_path / "theirs.txt"), "--json", *home]) == 0
        summary = json.loads(capsys.readouterr().out)
        assert (summary["encoder"], summary["dimension"], summary["unchanged"]) == (
            "word-vectors",
            8,
            unchanged,
        )
    first = client.get(f"{lexicon}/vectors?encoder=word-vectors").data
    theirs.add_vectors(["cups"], np.ones((1, 8), np.float32))
    theirs.save_word2vec_format(tmp_path / "more.txt")
    sent = client.post(f"{lexicon}/vectors", data={"file": (tmp_path / "more.txt").open("rb")})
    assert (sent.status_code, sent.json["options"]["encoder"]) == (202, "word-vectors")
    work()
    task = client.get(sent.headers["Location"]).json
    assert (task["state"], task["done"], task["error"]) == ("succeeded", task["total"], None)
    second = client.get(f"{lexicon}/vectors?encoder=word-vectors").data
    assert first.splitlines()[0] == b"4 8" and second.splitlines()[0] == b"5 8"
    for data, code in (
        ({}, "invalid_input"),
        ({"file": [(BytesIO(b"1 1"), "a"), (BytesIO(b"1 1"), "b")]}, "invalid_input"),
    ):
        answer = client.post(f"{lexicon}/vectors", data=data, content_type="multipart/form-data")
        assert (answer.status_code, answer.json["code"]) == (422, code)
    assert client.post(f"{lexicon}/vectors", data=b"1 1").status_code == 415
    wrong = client.post(f"{lexicon}/vectors", data={"file": (BytesIO(b"1 1\ntea nan\n"), "v")})
    work()
    assert client.get(wrong.headers["Location"]).json["error"]["code"] == "invalid_input"
    found = ask(client, lexicon, "similarity", "coffee", "station", encoder="word-vectors")["similarity"]
    assert found == pytest.approx(theirs.similarity("coffee", "stations"), abs=1e-6)
    body = {"query": "trains", "mode": "dense", "encoder": "word-vectors", "limit": 6}
    hits = client.post("/v1/collections/lexicon/search", json=body).json["hits"]
    assert {hit["key"].partition("-")[0] for hit in hits} == {"train"}
    unknown = client.post(lexicon, json={"ask": "neighbours", "words": ["guest"], "encoder": "word-vectors"})
    assert unknown.json["code"] == "unknown_word"


def test_what_was_exported_comes_back_to_the_last_bit(client, settings, lexicon, tmp_path):
    ours = client.get(f"{lexicon}/vectors?encoder=cooccurrence").data
    (tmp_path / "ours.txt").write_bytes(ours)
    assert (
        run(["words", "import", str(tmp_path / "ours.txt"), "-c", "lexicon", "--home", str(settings.home)])
        == 0
    )
    assert client.get(f"{lexicon}/vectors?encoder=word-vectors").data == ours
    counts = [
        client.get(f"{lexicon}/counts?encoder={name}").data for name in ("cooccurrence", "word-vectors")
    ]
    assert counts[0] == counts[1]
