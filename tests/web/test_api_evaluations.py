"""Judgements and evaluations of a collection through the real HTTP edge."""

import io
import json

import pytest

from tests.web.test_pages import HOSTILE

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()
MEASURES = ("nDCG@10", "R@100", "RR@10")


@pytest.fixture(scope="module")
def nests(app):
    client = app.test_client()
    for bird in BIRDS:
        body = {"text": f"The {bird} nests near the marsh, and a young {bird} learns to fly there."}
        assert client.put(f"/v1/collections/marsh/documents/{bird}", json=body).status_code == 201
    return "/v1/collections/marsh"


QUERIES = "".join(
    json.dumps({"_id": f"q{n}", "text": f"a young {bird}"}) + "\n" for n, bird in enumerate(BIRDS)
)
QRELS = "query-id\tcorpus-id\tscore\n" + "".join(f"q{n}\t{bird}\t1\n" for n, bird in enumerate(BIRDS))


def test_files_are_imported_judged_measured_compared_and_given_back(client, nests, work):
    body = {"name": "young", "queries": QUERIES, "qrels": QRELS}
    made = client.post(f"{nests}/judgements", json=body)
    assert (made.status_code, made.json["judgements"]) == (201, 10)
    here = made.headers["Location"]
    assert client.get(f"{here}/files/qrels.tsv").text == QRELS
    assert client.get(f"{here}/files/queries.jsonl").text == QUERIES
    assert client.get(f"{here}/files/qrels.txt").text.splitlines()[0] == "q0 0 heron 1"

    ordered = client.post(
        f"{nests}/evaluations", json={"judgements": "young", "systems": ["lexical", "dense"]}
    )
    assert ordered.status_code == 202
    work()
    assert client.get(ordered.headers["Location"]).json["state"] == "succeeded"
    _, lexical = client.get(f"{nests}/evaluations?judgements=young").json["evaluations"]
    assert lexical["measures"] == {"nDCG@10": 1.0, "R@100": 1.0, "RR@10": 1.0}
    detail = client.get(f"{nests}/evaluations/{lexical['id']}").json
    assert detail["evaluation"] == lexical
    assert [question["ranking"][0] for question in detail["questions"]] == BIRDS

    bad = "".join(f"q{n} Q0 nosuch 1 2 bad\nq{n} Q0 {bird} 2 1 bad\n" for n, bird in enumerate(BIRDS))
    brought = client.post(f"{nests}/evaluations/runs", json={"judgements": "young", "run": bad})
    assert (brought.status_code, brought.json["measures"]["RR@10"]) == (201, 0.5)
    assert client.get(brought.headers["Location"] + "/run").text == bad
    held = f"{nests}/evaluations/{lexical['id']}/comparison/{brought.json['id']}"
    compared = client.get(held, query_string={"measure": "RR@10"}).json
    assert (compared["difference"], len(compared["questions"])) == (0.5, 10)
    assert compared["p_value"] == pytest.approx(2 / 2**10, abs=0.001)  # all ten signs alike, either way
    assert client.get(held).json["measure"] == "nDCG@10"

    judged = {"question": "q0", "document": "stork", "grade": 2}
    assert client.put(f"{here}/grades", json=judged).json["judgements"] == {"heron": 1, "stork": 2}
    assert client.get(here).json["questions"][0]["judgements"] == {"heron": 1, "stork": 2}
    taken = client.put(f"{here}/grades", json=judged | {"grade": None})
    assert taken.json["judgements"] == {"heron": 1}
    asked = client.post(f"{here}/questions", json={"text": "谁在飞"})
    assert (asked.status_code, asked.json["id"]) == (201, "q11")
    assert client.post(f"{here}/questions/delete", json={"question": "q11"}).status_code == 204
    assert client.delete(brought.headers["Location"]).status_code == 204
    assert client.get(brought.headers["Location"]).json["code"] == "unknown_evaluation"
    assert client.delete(here).status_code == 204
    assert client.get(f"{nests}/judgements").json == {"judgements": []}
    assert client.get(f"{nests}/evaluations").json == {"evaluations": []}


@pytest.mark.parametrize(
    ("address", "body", "status", "told"),
    [
        ("judgements", {"name": "x"}, 422, "give either questions, or queries and qrels"),
        ("judgements", {"name": "x", "topics": "1\ta", "queries": "", "qrels": ""}, 422, "give either"),
        (
            "judgements",
            {"name": "x", "topics": "1\ta", "qrels": "1 0 a 1\n2 0 a 1"},
            422,
            "qrels.txt, line 2",
        ),
        ("judgements", {"name": "../x", "questions": []}, 422, "the name of judgements"),
        (
            "judgements",
            {"name": "x", "questions": [{"id": "1", "text": "a", "judgements": {"a": True}}]},
            422,
            "",
        ),
        ("judgements", {"name": "x", "questions": [{"id": "1", "text": "a"}] * 2}, 422, "more than one"),
        ("judgements", {"name": "x", "questions": [{"id": "1", "text": "\x00"}]}, 422, "needs a text"),
        ("evaluations", {"judgements": "no", "systems": ["dense"]}, 404, "has no judgements 'no'"),
        ("evaluations", {"judgements": "no", "systems": []}, 422, "no system is named"),
        ("evaluations", {"judgements": "no", "systems": ["dens"]}, 422, "did you mean 'dense'?"),
        ("evaluations/runs", {"judgements": "no", "run": "x"}, 404, "has no judgements 'no'"),
        (
            "judgements/no/grades",
            {"question": "1", "document": "heron", "grade": 1},
            404,
            "no judgements 'no'",
        ),
        ("judgements/no/questions", {"text": "x"}, 404, "no judgements 'no'"),
    ],
)
def test_what_is_wrong_is_told_and_changes_nothing(client, nests, address, body, status, told):
    send = client.put if address.endswith("grades") else client.post
    answer = send(f"{nests}/{address}", json=body)
    assert (answer.status_code, told in answer.json["detail"]) == (status, True), answer.json
    assert client.get(f"{nests}/judgements").json == {"judgements": []}


def test_a_system_that_the_collection_lacks_is_refused_before_anything_is_done(client, nests, collection):
    there = f"/v1/collections/{collection}"
    client.put(f"{there}/documents/a", json={"text": "One text."})
    asked = [{"id": "1", "text": HOSTILE, "judgements": {"a": 1}}]
    client.post(f"{there}/judgements", json={"name": "x", "questions": asked})
    for system, code in (("lsi", "unknown_encoder"), ("attention:causal", "invalid_input")):
        refused = client.post(f"{there}/evaluations", json={"judgements": "x", "systems": [system]})
        assert refused.json["code"] == code
    assert client.get(f"{there}/judgements/x/files/secrets").json["code"] == "invalid_input"
    missing = client.put(f"{there}/judgements/x/grades", json={"question": "1", "document": "b", "grade": 1})
    assert (missing.status_code, missing.json["code"]) == (404, "unknown_document")
    assert client.get(f"{there}/evaluations/1/comparison/2?measure=x").status_code in (404, 422)
    assert client.get("/v1/collections/no-such/evaluations").json["code"] == "unknown_collection"


def test_an_upload_and_the_api_give_the_figures_of_the_shell(client, nests, work, collection, app):
    """The same documents, stored over the wire and measured by the worker, against ``measure_systems``."""
    from indexer.evaluation_tasks import measure_systems
    from web.service import EXTENSION

    there = f"/v1/collections/{collection}"
    for bird in BIRDS:
        upload = {"file": (io.BytesIO(f"# {bird}\n\nIt nests near the marsh.".encode()), f"{bird}.md")}
        client.post(f"{there}/documents", data=upload)
    work()
    asked = [
        {"id": bird, "text": "who nests there", "judgements": {f"{bird}.md": 1, "gone": 1}} for bird in BIRDS
    ]
    client.post(f"{there}/judgements", json={"name": "x", "questions": asked})
    systems = ["lexical", "dense", "attention"]
    client.post(f"{there}/evaluations", json={"judgements": "x", "systems": systems})
    work()
    service = app.extensions[EXTENSION].get()
    ours = {run.system: run.measures for run in measure_systems(service, collection, "x", systems)}
    theirs = client.get(f"{there}/evaluations").json["evaluations"][3:]
    assert {run["system"]: run["measures"] for run in theirs} == ours
    assert {run["missing_documents"] for run in theirs} == {1}
