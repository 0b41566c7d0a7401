"""What is like examples, through the real HTTP edge and shell: documents and passages, in both modes."""

import json

import pytest
import sqlalchemy as sa

from indexer.cli import run
from web.service import EXTENSION

LONG = {
    "tea/oolong": "Oolong leaves are bruised in bamboo trays and left to oxidise in part.",
    "tea/乌龙茶": "乌龙茶的叶子在竹匾里摇青，边缘碰伤，一半发酵。",
    "tea/green": "Green tea is steamed or roasted soon after it is picked, which stops oxidation.",
    "rail/brakes": "Air brakes of a goods train are released by pressure and close when the pipe is torn.",
    "rail/刹车": "货运列车的空气制动靠压力缓解，管路断开就自动抱闸。",
    "rail/signals": "A distant signal tells the driver of a train what the next signal will show.",
}


@pytest.fixture(scope="module")
def shelf(app):
    client = app.test_client()
    for key, text in LONG.items():
        body = {"text": text, "metadata": {"subject": key.partition("/")[0]}}
        assert client.put(f"/v1/collections/shelf/documents/{key}", json=body).status_code == 201
    return "shelf"


def similar(client, collection, **body):
    return client.post(f"/v1/collections/{collection}/similar", json=body)


def keys(answer):
    assert answer.status_code == 200, answer.json
    return [hit["key"] for hit in answer.json["hits"]]


def passage_of(client, collection, key):
    (passage,) = client.get(f"/v1/collections/{collection}/documents/{key}").json["passages"]
    return passage["id"]


@pytest.mark.parametrize(
    ("example", "twin"),
    [("tea/oolong", "tea/乌龙茶"), ("tea/乌龙茶", "tea/oolong"), ("rail/刹车", "rail/brakes")],
)
@pytest.mark.parametrize("mode", [None, "dense", "attention"])
def test_an_example_finds_its_twin_in_the_other_language_and_not_itself(client, shelf, example, twin, mode):
    answer = similar(client, shelf, like=[example], mode=mode, explain=True)
    assert twin in keys(answer)[: 2 if mode == "dense" else 1]
    assert set(keys(answer)) == set(LONG) - {example}
    assert answer.json["mode"] == (mode or "attention") and answer.json["exact"]
    for hit in answer.json["hits"]:
        assert sum(hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-6)
        assert ("attention" in hit["parts"]) == (mode != "dense")


def test_words_that_carry_a_likeness_are_marked_and_told_with_their_place(client, shelf):
    answer = similar(client, shelf, like=["tea/oolong", "tea/green"], explain=True, limit=1)
    (hit,) = answer.json["hits"]
    assert hit["key"] == "tea/乌龙茶"
    marked = {hit["passage"]["text"][mark["start"] : mark["end"]] for mark in hit["highlights"]}
    assert marked & {"乌龙茶", "发酵", "乌龙", "叶子"}
    told = hit["explanation"]["attention"]
    assert sum(map(sum, told["carried"])) == pytest.approx(hit["parts"]["attention"], abs=1e-6)
    assert {word["key"] for word in told["query"]} == {"tea/oolong", "tea/green"}
    for word in told["query"]:
        assert LONG[word["key"]][word["start"] : word["end"]] == word["text"]
        assert word["passage"] == passage_of(client, shelf, word["key"])


@pytest.mark.parametrize("mode", ["dense", "attention"])
def test_what_is_unwanted_is_kept_away(client, shelf, mode):
    both = ["tea/green", "rail/signals"]
    leaning = keys(similar(client, shelf, like=both, unlike=["tea/oolong"], mode=mode))
    assert {key.partition("/")[0] for key in leaning[:2]} == {"rail"}
    assert not {*both, "tea/oolong"} & set(leaning)


def test_a_passage_is_an_example_by_its_id_and_its_document_by_its_key(client, shelf):
    passage = passage_of(client, shelf, "tea/oolong")
    by_id, by_key = (similar(client, shelf, like=[one]) for one in (passage, "tea/oolong"))
    assert by_id.json["hits"] == by_key.json["hits"]
    together = similar(
        client, shelf, like=[passage, "rail/brakes"], unlike=[passage_of(client, shelf, "tea/green")]
    )
    assert not {"tea/oolong", "rail/brakes", "tea/green"} & set(keys(together))


def test_other_passages_of_the_example_s_document_may_be_answers(client, collection):
    text = "\n\n".join(f"# Part {n}\n" + "Herons wait in shallow water for fish. " * 40 for n in range(3))
    client.put(f"/v1/collections/{collection}/documents/book", json={"text": text})
    first, *others = (
        p["id"] for p in client.get(f"/v1/collections/{collection}/documents/book").json["passages"]
    )
    answer = similar(client, collection, like=[first], group_by="passage")
    assert {hit["passage"]["id"] for hit in answer.json["hits"]} == set(others) and others
    assert keys(similar(client, collection, like=["book"])) == []


def test_a_filter_holds_for_answers_and_not_for_examples(client, shelf):
    answer = similar(client, shelf, like=["tea/oolong"], filter={"subject": "rail"})
    assert set(keys(answer)) == {key for key in LONG if key.startswith("rail")}


@pytest.mark.parametrize(
    ("body", "status", "code", "words"),
    [
        ({}, 422, "invalid_input", "'like' is required"),
        ({"like": []}, 422, "invalid_input", "at least one of them under like"),
        ({"like": ["tea/green"] * 1001}, 422, "invalid_input", "give 1 to 1000 examples"),
        ({"like": ["nowhere"]}, 404, "unknown_document", "'nowhere'"),
        ({"like": [0]}, 404, "unknown_passage", "'shelf' has no passage 0"),
        ({"like": [-1]}, 404, "unknown_passage", "no passage -1"),
        ({"like": [2**80]}, 404, "unknown_passage", f"no passage {2**80}"),
        ({"like": [True]}, 422, "invalid_input", ""),
        ({"like": [1.5]}, 422, "invalid_input", ""),
        (
            {"like": ["tea/green"], "unlike": ["tea/green"]},
            422,
            "invalid_input",
            "under like and under unlike",
        ),
        ({"like": ["tea/green"], "mode": "hybrid"}, 422, "invalid_input", ""),
        ({"like": ["tea/green"], "limit": 0}, 422, "invalid_input", "limit is 0"),
        ({"like": ["tea/green"], "group_by": "shelf"}, 422, "invalid_input", ""),
        ({"like": ["tea/green"], "colour": 1}, 422, "invalid_input", "'colour' is not a field"),
        ({"like": ["tea/green"], "filter": {"$near": 1}}, 422, "invalid_filter", "$near"),
    ],
)
def test_bad_input_gets_a_sentence_and_a_code(client, shelf, body, status, code, words):
    answer = similar(client, shelf, **body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert words in answer.json["detail"] and "\n" not in answer.json["detail"]


def test_a_passage_of_another_collection_is_unknown_here(client, shelf, library):
    foreign = passage_of(client, library, "sky/eclipse.md")
    answer = similar(client, shelf, like=[foreign])
    assert (answer.status_code, answer.json["code"], answer.json["passage"]) == (
        404,
        "unknown_passage",
        foreign,
    )


def test_the_shell_asks_the_same(client, shelf, settings, capsys):
    passage = passage_of(client, shelf, "tea/oolong")
    common = ["-c", shelf, "--home", str(settings.home)]

    def shell(*arguments):
        capsys.readouterr()
        status = run(["similar", *arguments, *common])
        return status, capsys.readouterr()

    asked = {"like": ["rail/brakes", passage], "unlike": ["tea/green"], "explain": True, "mode": "attention"}
    status, told = shell(
        "rail/brakes",
        "--passage",
        str(passage),
        "--unlike",
        "tea/green",
        "--explain",
        "--mode",
        "attention",
        "--json",
    )
    expected = similar(client, shelf, **asked).json
    assert status == 0 and json.loads(told.out) | {"took_ms": 0} == expected | {"took_ms": 0}
    status, told = shell("tea/oolong", "--explain")
    assert status == 0 and f"passage {passage_of(client, shelf, 'tea/乌龙茶')}" in told.out
    assert "attention, exact" in told.out and "what it finds, and where" in told.out
    for arguments, words in (
        ([], "name an example"),
        (["--passage", "0"], "has no passage 0; "),
        (["--passage", "x"], "x"),
        (
            ["tea/green", "--mode", "lexical"],
            "no mode 'lexical'; choose one of: dense, attention",
        ),
    ):
        status, told = shell(*arguments)
        assert status == 2 and words in told.err and told.err.count("\n") == 1


def change_states(app, collection, how, first):
    where = """passage_id IN (SELECT passages.id FROM passages JOIN collections
        ON collections.id = passages.collection_id WHERE collections.name = :collection)"""
    with app.extensions[EXTENSION].get().database.write() as connection:
        connection.execute(sa.text(how.format(where=where, first=first)), {"collection": collection})


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("DELETE FROM token_states WHERE {where}", "have no token states yet"),
        ("UPDATE token_states SET states = substr(states, 1, 99) WHERE {where}", "damaged"),
        ("UPDATE token_states SET states = x'00' WHERE {where} AND passage_id = {first}", "damaged"),
    ],
    ids=["missing", "damaged", "example damaged"],
)
def test_states_that_are_not_there_leave_it_to_meaning_and_that_is_said(app, client, collection, how, words):
    for key, text in LONG.items():
        client.put(f"/v1/collections/{collection}/documents/{key}", json={"title": collection, "text": text})
    dense = similar(client, collection, like=["tea/oolong"], mode="dense").json
    first = passage_of(client, collection, "tea/oolong")
    change_states(app, collection, how, first)
    answer = similar(client, collection, like=["tea/oolong"])
    assert answer.status_code == 200 and answer.json["mode"] == "dense"
    assert answer.json["hits"] == dense["hits"]
    (told,) = answer.json["degraded"]
    assert words in told and "attention does not rank" in told


def mean_likeness(client, collection, hits):
    near = []
    for hit in hits:
        others = similar(client, collection, like=[hit["passage"]["id"]], mode="dense").json["hits"]
        score = {other["passage"]["id"]: other["parts"]["dense"] for other in others}
        near += [score[other["passage"]["id"]] for other in hits if other is not hit]
    return sum(near) / len(near)


@pytest.mark.parametrize("route", ["search", "similar"])
def test_diverse_hits_differ_and_keep_their_scores(client, shelf, route):
    asked = {"query": "tea leaves"} if route == "search" else {"like": ["tea/oolong"]}
    address = f"/v1/collections/{shelf}/{route}"
    plain = client.post(address, json=asked | {"limit": 6}).json["hits"]
    score = {hit["key"]: (hit["score"], hit["parts"]) for hit in plain}
    same = client.post(address, json=asked | {"limit": 2, "diversity": 0}).json["hits"]
    other = client.post(address, json=asked | {"limit": 2, "diversity": 0.8}).json["hits"]
    assert same == plain[:2] and other[0] == plain[0]
    assert {hit["key"]: (hit["score"], hit["parts"]) for hit in other}.items() <= score.items()
    assert [hit["key"] for hit in other] != [hit["key"] for hit in same]
    assert mean_likeness(client, shelf, other) < mean_likeness(client, shelf, same)
    for hit in other:
        assert sum(hit["parts"].values()) == pytest.approx(hit["score"], abs=1e-6)


def test_the_address_and_the_shell_ask_for_diversity_too(client, shelf, settings, capsys):
    posted = client.post(
        f"/v1/collections/{shelf}/search", json={"query": "tea", "limit": 3, "diversity": 0.5}
    ).json
    asked = client.get(f"/v1/collections/{shelf}/search?q=tea&limit=3&diversity=0.5").json
    assert asked | {"took_ms": 0} == posted | {"took_ms": 0}
    common = ["-n", "3", "--diversity", "0.5", "--json", "-c", shelf, "--home", str(settings.home)]
    capsys.readouterr()
    assert run(["search", "tea", *common]) == 0
    assert json.loads(capsys.readouterr().out) | {"took_ms": 0} == posted | {"took_ms": 0}
    assert run(["similar", "tea/green", *common]) == 0
    expected = similar(client, shelf, like=["tea/green"], limit=3, diversity=0.5).json
    assert json.loads(capsys.readouterr().out) | {"took_ms": 0} == expected | {"took_ms": 0}
    for wrong, words in (("1.5", "diversity is 1.5; give a number from 0"), ("nan", "diversity is nan")):
        for command in ("search", "similar"):
            status = run(
                [command, "tea/green", "--diversity", wrong, "-c", shelf, "--home", str(settings.home)]
            )
            told = capsys.readouterr().err
            assert status == 2 and words in told and told.count("\n") == 1


@pytest.mark.parametrize("wrong", [-0.1, 1.01, 1e300, "0.5", True, None])
def test_a_diversity_that_is_none_is_refused(client, shelf, wrong):
    for route, asked in (("search", {"query": "tea"}), ("similar", {"like": ["tea/green"]})):
        answer = client.post(f"/v1/collections/{shelf}/{route}", json=asked | {"diversity": wrong})
        assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
        assert "diversity" in answer.json["detail"]


@pytest.mark.parametrize("wrong", ["2", "-1", "nan", "inf", "much", "", "0_5"])
def test_a_diversity_of_an_address_that_is_none_is_refused(client, shelf, wrong):
    answer = client.get(f"/v1/collections/{shelf}/search", query_string={"q": "tea", "diversity": wrong})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert "diversity" in answer.json["detail"]
