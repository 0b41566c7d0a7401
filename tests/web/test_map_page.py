"""The map of a collection, by the API and on its page as a browser without script reads it."""

import re

import pytest

from indexer import maps
from tests.web.test_pages import HOSTILE, form_token, text_of

PLANTS = "heather bracken gorse thyme sorrel yarrow".split()


@pytest.fixture(scope="module")
def moor(app):
    client = app.test_client()
    for plant in PLANTS:
        body = {
            "title": HOSTILE if plant == "gorse" else plant,
            "text": f"On the moor grows {plant}; sheep like {plant}. {HOSTILE}",
            "metadata": {"colour": "<b>purple</b>" if plant == "heather" else "green"},
        }
        assert client.put(f"/v1/collections/moor/documents/{plant}", json=body).status_code == 201
    return "/collections/moor/map"


def test_a_collection_that_is_not_indexed_yet_is_told_of(client):
    assert client.put("/v1/collections/new-moor/documents/moss", json={"text": "Moss."}).status_code == 201
    page = client.get("/collections/new-moor/map")
    assert page.status_code == 200 and "This map is not made yet" in text_of(page)
    assert "not indexed yet" in text_of(page)
    answer = client.get("/v1/collections/new-moor/map")
    assert (answer.status_code, answer.json["code"]) == (409, "not_mapped")


def test_page_and_api_show_the_same_clusters_and_points(client, moor, work):
    work()
    answer = client.get(f"/v1{moor}", query_string={"clusters": 2}).json
    assert sum(cluster["passages"] for cluster in answer["clusters"]) == len(PLANTS)
    page = client.get(moor, query_string={"clusters": 2})
    assert len(re.findall(r'<use class="c\d+" href="#s\d" x="', page.text)) == len(PLANTS)
    places = re.findall(r'<use class="c\d+" href="#s\d" x="([\d.]+)" y="([\d.]+)"', page.text)
    assert all(0 <= float(x) <= 960 and 0 <= float(y) <= 600 for x, y in places)
    for cluster in answer["clusters"]:
        assert ", ".join(cluster["words"]) in text_of(page)
    passage = answer["clusters"][0]["typical"][0]
    assert f'href="/similar?collection=moor&amp;passage={passage["id"]}"' in page.text
    assert HOSTILE not in page.text
    assert 'data-points="/v1/collections/moor/map?' in page.text and "&amp;points=100000" in page.text


def test_points_can_be_coloured_by_a_field_whose_values_are_never_run(client, moor, work):
    work()
    page = client.get(moor, query_string={"colour": "colour"})
    assert "<b>purple</b>" in text_of(page) and "<b>purple</b>" not in page.text
    groups = client.get(f"/v1{moor}", query_string={"colour": "colour", "points": 0}).json["groups"]
    assert [(group["label"], group["passages"]) for group in groups] == [("green", 5), ("<b>purple</b>", 1)]


def test_a_point_is_shown_with_its_title_and_where_it_leads(client, moor, work):
    work()
    points = client.get(f"/v1{moor}").json["points"]
    texts = [client.get(f"{moor}/{passage}").text for passage in points["ids"]]
    assert sum("gorse" in text for text in texts) == 1
    shown = client.get(f"{moor}/{points['ids'][0]}")
    assert f"/similar?collection=moor&amp;passage={points['ids'][0]}" in shown.text
    assert "/collections/moor/documents/" in shown.text and HOSTILE not in shown.text
    by_it = client.get(f"{moor}/{points['ids'][0]}", query_string={"encoder": "lsi"})
    assert f"passage={points['ids'][0]}&amp;encoder=lsi" in by_it.text
    assert client.get(f"{moor}/999999").status_code == 404


def test_a_map_that_takes_long_is_drawn_by_a_worker(client, moor, work, monkeypatch):
    work()
    monkeypatch.setattr(maps, "AT_ONCE_MAX", 1)
    page = client.get(moor, query_string={"clusters": 5})
    assert "This map is not made yet" in text_of(page) and f'value="{5}"' in page.text
    sent = client.post(moor, data={"form_token": form_token(client), "clusters": "5", "method": "pca"})
    assert sent.status_code == 303
    assert "Drawing a map of moor" in text_of(client.get(sent.headers["Location"]))
    work()
    assert "clusters=5" in client.get(sent.headers["Location"]).text
    assert client.get(moor, query_string={"clusters": 5}).text.count("<h3>") == 5
    task = client.post(f"/v1{moor}", json={"clusters": 4})
    assert task.status_code == 202 and task.json["kind"] == "mapping"
    assert task.headers["Location"] == f"/v1/tasks/{task.json['id']}"
    assert client.get(f"/v1{moor}", query_string={"clusters": 4}).json["code"] == "not_mapped"


def test_it_speaks_chinese(client, moor, work):
    work()
    page = text_of(client.get(moor, query_string={"lang": "zh"}))
    assert "集合 moor 的地图" in page and "内容概览" in page


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"clusters": "many"}, 422),
        ({"clusters": "21"}, 422),
        ({"method": HOSTILE}, 422),
        ({"colour": HOSTILE}, 422),
        ({"encoder": HOSTILE}, 404),
    ],
)
def test_what_is_wrong_is_told_and_never_run(client, moor, work, asked, status):
    work()
    page = client.get(moor, query_string=asked)
    assert page.status_code == status and HOSTILE not in page.text
    answer = client.get(f"/v1{moor}", query_string=asked)
    assert answer.status_code == status and "detail" in answer.json


def test_an_empty_collection_has_an_empty_map(client):
    assert client.post("/v1/collections", json={"name": "bare-moor"}).status_code == 201
    page = client.get("/collections/bare-moor/map")
    assert page.status_code == 200 and "<svg" not in page.text.partition("<main")[2]
    assert client.get("/v1/collections/bare-moor/map").json["points"]["ids"] == []
