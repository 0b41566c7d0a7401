"""Searching through the real HTTP edge."""

import dataclasses

import pytest

from indexer.records import NewDocument
from search.model import SearchRequest, SimilarRequest
from web.api.documents import DocumentBody
from web.api.search import SearchBody, SimilarBody


def search(client, collection, **body):
    return client.post(f"/v1/collections/{collection}/search", json=body)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("which animal lives on bamboo", "animals/panda.md"),
        ("大熊猫吃什么", "animals/panda.md"),
        ("怎样用黄豆做菜", "kitchen/豆腐.md"),
        ("where do turtles lay their eggs", "animals/绿海龟.md"),
    ],
)
def test_the_right_document_comes_first_in_both_languages(client, library, query, expected):
    found = search(client, library, query=query).json
    assert found["hits"][0]["key"] == expected
    assert (found["mode"], found["exact"], found["degraded"]) == ("attention", True, [])
    assert found["took_ms"] > 0


def test_a_hit_tells_where_it_stands_and_how_its_score_came_to_be(client, library):
    hit = search(client, library, query="coppery Moon", explain=True).json["hits"][0]
    assert hit["key"] == "sky/eclipse.md" and hit["title"] == "Lunar eclipse"
    assert sum(hit["parts"].values()) == hit["score"]
    passage = hit["passage"]
    assert passage["ordinal"] == 0 and passage["text"].startswith("During a lunar eclipse")
    marked = {
        passage["text"][span["start"] - passage["start"] : span["end"] - passage["start"]]
        for span in hit["highlights"]
    }
    assert {"Moon", "coppery"} <= marked
    assert hit["metadata"] == {"shelf": "sky", "words": len(passage["text"])}
    assert hit["explanation"]


def test_filters_and_limits_are_obeyed(client, library):
    found = search(client, library, query="food", limit=2, filter={"shelf": {"$in": ["kitchen", "sky"]}}).json
    assert len(found["hits"]) == 2
    assert {hit["metadata"]["shelf"] for hit in found["hits"]} <= {"kitchen", "sky"}


def test_the_address_line_asks_the_same(client, library):
    body = {"query": "bread", "limit": 2, "mode": "dense", "filter": {"shelf": "kitchen"}}
    posted = search(client, library, **body).json
    address = {"q": "bread", "limit": 2, "mode": "dense", "filter": '{"shelf": "kitchen"}'}
    asked = client.get(f"/v1/collections/{library}/search", query_string=address).json
    assert asked | {"took_ms": 0} == posted | {"took_ms": 0}


def test_similar_documents_are_near_and_not_themselves(client, library):
    answer = client.post(f"/v1/collections/{library}/similar", json={"like": ["kitchen/sourdough.md"]})
    found = [hit["key"] for hit in answer.json["hits"]]
    assert found[0] == "kitchen/豆腐.md" and "kitchen/sourdough.md" not in found
    unknown = client.post(f"/v1/collections/{library}/similar", json={"like": ["nowhere"]})
    assert (unknown.status_code, unknown.json["code"]) == (404, "unknown_document")
    assert "'nowhere'" in unknown.json["detail"] and "wait for its task" in unknown.json["detail"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_input"),
        ({"query": ""}, "invalid_input"),
        ({"query": " \u3000\n"}, "invalid_input"),
        ({"query": "x" * 20_000}, "invalid_input"),
        ({"query": "x", "vector": [1.0]}, "invalid_input"),
        ({"vector": [1.0, 0.0]}, "invalid_input"),
        ({"query": "x", "limit": 0}, "invalid_input"),
        ({"query": "x", "limit": -1}, "invalid_input"),
        ({"query": "x", "limit": 10**9}, "invalid_input"),
        ({"query": "x", "mode": "attentive"}, "invalid_input"),
        ({"query": "x", "relevance": 1}, "invalid_input"),
        ({"query": "x", "filter": {"year": {"$near": 3}}}, "invalid_filter"),
        ({"query": "x", "filter": {"words": {"$gte": [1]}}}, "invalid_filter"),
        ({"query": "x", "filter": {"$and": 3}}, "invalid_filter"),
    ],
)
def test_bad_input_gets_a_sentence_and_a_code(client, library, body, code):
    answer = search(client, library, **body)
    assert (answer.status_code, answer.json["code"]) == (422, code)
    assert len(answer.json["detail"].split()) >= 3 and "\n" not in answer.json["detail"]


def test_a_filter_is_quoted_as_it_was_sent(client, library):
    for value, shown in (([None], "not with [null]"), ([True, "海"], 'not with [true, "海"]')):
        answer = search(client, library, query="x", filter={"words": value})
        assert (answer.status_code, answer.json["code"]) == (422, "invalid_filter")
        assert shown in answer.json["detail"]


def test_a_filter_nested_without_end_is_refused(client, library):
    nested = {"shelf": "sky"}
    for _ in range(400):
        nested = {"$not": nested}
    answer = search(client, library, query="x", filter=nested)
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_filter")


def test_an_emoji_is_a_query_like_any_other(client, library):
    assert search(client, library, query="🐼").status_code == 200


def test_an_unknown_collection_is_a_404(client):
    answer = search(client, "nowhere", query="x")
    assert (answer.status_code, answer.json["code"]) == (404, "unknown_collection")
    assert answer.json["collection"] == "nowhere"


@pytest.mark.parametrize(
    ("body", "record"),
    [(SearchBody, SearchRequest), (SimilarBody, SimilarRequest), (DocumentBody, NewDocument)],
)
def test_bodies_have_the_fields_and_defaults_of_their_records(body, record):
    fields = {field.name: field for field in dataclasses.fields(record) if field.name != "key"}
    assert set(body.model_fields) == set(fields)
    for name, field in fields.items():
        ours = body.model_fields[name]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        assert ours.is_required() is required
        if field.default is not dataclasses.MISSING and ours.default_factory is None:
            assert ours.default == field.default
