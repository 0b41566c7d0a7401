"""Questions about the words of a collection, through the real HTTP edge and the real shell."""

import json

import pytest

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


def test_the_shell_asks_as_well(settings, lexicon, capsys):
    home = ["-c", "lexicon", "--home", str(settings.home), "--encoder", "cooccurrence"]
    assert run(["words", "neighbours", "tea", "-n", "20", "--json", *home]) == 0
    assert "Coffee" in [each["word"] for each in json.loads(capsys.readouterr().out)["found"]]
    assert run(["words", "odd", "tea", "coffee", "cup", "station", *home]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "station"
    assert run(["words", "neighbours", "teaa", *home]) == 2
    assert "did you mean" in capsys.readouterr().err
