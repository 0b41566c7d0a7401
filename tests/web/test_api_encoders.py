"""The encoders of a collection, through the real HTTP edge: fit, listed, searched by, taken away."""

import pytest

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()


@pytest.fixture(scope="module")
def shelf(app):
    client = app.test_client()
    for bird in BIRDS:
        body = {"text": f"The {bird} nests near the marsh, and a young {bird} learns to fly there."}
        assert client.put(f"/v1/collections/aviary/documents/{bird}", json=body).status_code == 201
    return "/v1/collections/aviary"


def test_an_encoder_is_fit_listed_searched_by_and_removed(client, shelf, work):
    answer = client.post(f"{shelf}/encoders", json={"name": "tfidf"})
    assert answer.status_code == 202
    task = answer.headers["Location"]
    assert client.get(task).json["options"] == {"encoder": "tfidf", "seed": 0}
    assert [each["name"] for each in client.get(f"{shelf}/encoders").json["encoders"]] == [
        "multilingual-e5-small"
    ]
    work()
    ended = client.get(task).json
    assert (ended["state"], ended["done"], ended["total"]) == ("succeeded", 300, 300)
    own, fitted = client.get(f"{shelf}/encoders").json["encoders"]
    assert (own["own"], own["fit_on"], own["kind"]) == (True, None, "transformer")
    assert (fitted["name"], fitted["fit_on"], fitted["passages"], fitted["complete"]) == (
        "tfidf",
        10,
        10,
        True,
    )

    asked = {"query": "a young falcon", "mode": "dense", "encoder": "tfidf"}
    found = client.post(f"{shelf}/search", json=asked).json
    assert (found["hits"][0]["key"], found["mode"]) == ("falcon", "dense")
    by_address = client.get(f"{shelf}/search", query_string={"q": "a young falcon", "encoder": "tfidf"}).json
    assert (by_address["hits"][0]["key"], by_address["mode"]) == ("falcon", "hybrid")
    hit = by_address["hits"][0]
    assert hit["score"] == pytest.approx(sum(hit["parts"].values()), abs=1e-6)

    assert client.delete(f"{shelf}/encoders/tfidf").status_code == 204
    assert client.post(f"{shelf}/search", json=asked).json["code"] == "unknown_encoder"
    assert client.delete(f"{shelf}/encoders/tfidf").status_code == 404


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"name": "lsl"}, "did you mean 'lsi'?"),
        ({"name": "lsi", "seed": -1}, "seed"),
        ({"name": "lsi", "seed": "1"}, "seed"),
        ({}, "'name' is required"),
        ({"name": "lsi", "dimension": 7}, "dimension"),
    ],
)
def test_a_wrong_order_is_refused_in_a_sentence(client, shelf, body, part):
    answer = client.post(f"{shelf}/encoders", json=body)
    assert answer.status_code == 422
    assert part in answer.json["detail"] + repr(answer.json.get("errors"))


def test_the_collection_s_own_encoder_stays_and_others_must_be_known(client, shelf):
    refused = client.delete(f"{shelf}/encoders/multilingual-e5-small")
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    missing = client.get("/v1/collections/no-such/encoders")
    assert (missing.status_code, missing.json["code"]) == (404, "unknown_collection")
    assert client.post("/v1/collections/no-such/encoders", json={"name": "tfidf"}).status_code == 404
    attention = {"query": "heron", "mode": "attention", "encoder": "tfidf"}
    assert client.post(f"{shelf}/search", json=attention).status_code == 404
    own = {"query": "heron", "mode": "attention", "encoder": "transformer"}
    assert client.post(f"{shelf}/search", json=own).json["hits"][0]["key"] == "heron"


def test_another_encoder_takes_the_place_and_gives_it_back(client, shelf, work):
    answer = client.post(f"{shelf}/encoders/switch", json={"name": "minilm-en", "force": True})
    assert answer.status_code == 202
    task = answer.headers["Location"]
    assert client.get(task).json["options"] == {"encoder": "minilm-en", "force": True}
    assert client.get(task).json["report"] is None
    work()
    ended = client.get(task).json
    assert (ended["state"], ended["report"]["after"]) == ("succeeded", "minilm-en")
    own, former = client.get(f"{shelf}/encoders").json["encoders"]
    assert (own["name"], own["own"], own["former"]) == ("minilm-en", True, False)
    assert (former["name"], former["own"], former["former"]) == ("multilingual-e5-small", False, True)
    asked = {"query": "a young falcon", "mode": "dense"}
    by_own = client.post(f"{shelf}/search", json=asked).json["hits"]
    by_former = client.post(f"{shelf}/search", json=asked | {"encoder": "multilingual-e5-small"}).json["hits"]
    assert by_own[0]["key"] == by_former[0]["key"] == "falcon" and by_own != by_former
    back = client.post(f"{shelf}/encoders/rollback")
    assert back.status_code == 200
    assert [(each["name"], each["own"]) for each in back.json["encoders"]] == [
        ("multilingual-e5-small", True),
        ("minilm-en", False),
    ]
    assert client.post(f"{shelf}/search", json=asked).json["hits"] == by_former
    assert client.delete(f"{shelf}/encoders/minilm-en").status_code == 204
    refused = client.post(f"{shelf}/encoders/rollback")
    assert refused.status_code == 422 and "no former encoder" in refused.json["detail"]
    for body, part in (
        ({"name": "transformer"}, "already"),
        ({"name": 7}, "name"),
        ({"name": "minilm-en", "force": "yes"}, "force"),
        ({"name": "minilm-en", "judgements": 7}, "judgements"),
    ):
        wrong = client.post(f"{shelf}/encoders/switch", json=body)
        assert wrong.status_code in (400, 422) and part in wrong.json["detail"], wrong.json
    unjudged = client.post(f"{shelf}/encoders/switch", json={"name": "minilm-en", "judgements": "no"})
    assert (unjudged.status_code, unjudged.json["code"]) == (404, "unknown_judgements")
    assert client.post("/v1/collections/nowhere/encoders/switch", json={"name": "x"}).status_code == 404
