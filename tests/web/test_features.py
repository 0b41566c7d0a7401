"""``features`` by the API and on the pages."""

import pytest

from tests.web.test_pages import HOSTILE, form_token, text_of

STONES = {
    "flint": (7.0, ["hard"]),
    "chalk": (1.5, ["soft"]),
    "marble": (3.0, ["soft"]),
    "quartz": (7.0, ["hard"]),
}


@pytest.fixture(scope="module")
def quarry(app):
    client = app.test_client()
    for key, (hardness, feel) in STONES.items():
        body = {
            "text": f"A piece of {key}.",
            "metadata": {"hardness": hardness, "feel": feel, HOSTILE[:40]: 1},
        }
        assert client.put(f"/v1/collections/quarry/documents/{key}", json=body).status_code == 201
    return "/collections/quarry/encoders"


def test_the_api_declares_and_compares(client, quarry, work):
    fields = [{"name": "hardness", "kind": "number", "weight": 2}, {"name": "feel", "kind": "tags"}]
    task = client.post(f"/v1{quarry}", json={"name": "features", "fields": fields})
    assert task.status_code == 202
    work()
    asked = {"like": ["flint"], "encoder": "features"}
    answer = client.post("/v1/collections/quarry/similar", json=asked).json
    assert [hit["key"] for hit in answer["hits"]] == ["quartz", "marble", "chalk"]
    words = {"query": "hard stone", "encoder": "features"}
    refused = client.post("/v1/collections/quarry/search", json=words)
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    for wrong in ({"name": "x"}, {"name": "x", "kind": "number", "mean": 3}, {"name": "x", "kind": "colour"}):
        assert client.post(f"/v1{quarry}", json={"name": "features", "fields": [wrong]}).status_code == 422


def test_the_form_declares_what_is_chosen(client, quarry, work):
    page = client.get(quarry)
    assert "Documents by their properties" in text_of(page) and HOSTILE[:40] not in page.text
    assert 'name="field" value="hardness"' in page.text and ">features</option>" not in page.text
    form = {
        "form_token": form_token(client),
        "name": "features",
        "field": ["feel", "hardness"],
        "field_kind": ["tags", ""],
        "field_weight": ["1", "1"],
    }
    sent = client.post(quarry, data=form)
    assert sent.status_code == 303
    work()
    page = client.get(quarry, query_string={"q": "stone"})
    assert page.status_code == 200 and "<h3>features</h3>" not in page.text
    assert client.post(quarry, data=form | {"field_weight": ["a", "b"]}).status_code == 422
    assert client.post(quarry, data=form | {"field_weight": ["1"]}).status_code == 422
    assert "按属性比较文档" in text_of(client.get(quarry, query_string={"lang": "zh"}))
    client.get(quarry, query_string={"lang": "en"})


def test_the_page_of_what_is_similar_compares_by_it(client, quarry, work):
    work()
    found = client.post("/v1/collections/quarry/similar", json={"like": ["chalk"]}).json["hits"]
    flint = next(hit["passage"]["id"] for hit in found if hit["key"] == "flint")
    asked = {"collection": "quarry", "passage": flint, "encoder": "features"}
    page = client.get("/similar", query_string=asked)
    assert page.status_code == 200 and "<option selected>features</option>" in page.text
    assert text_of(page).index("quartz") < text_of(page).index("marble")
    assert client.get("/similar", query_string=asked | {"encoder": HOSTILE}).status_code == 404
