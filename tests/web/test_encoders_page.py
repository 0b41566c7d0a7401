"""The page of a collection's encoders, read as a browser without script reads it."""

import re

import pytest

from tests.web.test_pages import HOSTILE, form_token, text_of

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()


@pytest.fixture(scope="module")
def birds(app):
    client = app.test_client()
    for bird in BIRDS:
        body = {
            "title": bird,
            "text": f"The {bird} nests near the marsh, where a young {bird} learns to fly.",
        }
        assert client.put(f"/v1/collections/birds/documents/{bird}", json=body).status_code == 201
    return "/collections/birds/encoders"


def columns(page):
    """Return encoder -> titles it shows."""
    parts = re.findall(r"<section>\s*<h3>(.*?)</h3>(.*?)</section>", page.text, re.S)
    return {name: re.findall(r'<li><a href="[^"]+">(.*?)</a>', body) for name, body in parts}


def test_an_encoder_is_learned_compared_and_removed(client, birds, work):
    first = client.get(birds)
    assert "multilingual-e5-small pretrained 384 dimensions" in text_of(first)
    assert ">tfidf</option>" in first.text and not columns(first)
    sent = client.post(birds, data={"form_token": form_token(client), "name": "tfidf"})
    assert sent.status_code == 303 and re.fullmatch(r"/tasks/\d+", sent.headers["Location"])
    assert "Learning tfidf from birds" in text_of(client.get(sent.headers["Location"]))
    work()
    page = client.get(birds, query_string={"q": "a young falcon"})
    assert "learned from 10 of now 10 passages" in text_of(page)
    assert ">tfidf</option>" not in page.text
    shown = columns(page)
    assert list(shown) == ["multilingual-e5-small", "tfidf"]
    assert shown["tfidf"][0] == shown["multilingual-e5-small"][0] == "falcon"
    assert "multilingual-e5-small: no. 1" in text_of(page)
    nothing = client.get(birds, query_string={"q": "zeppelin"})
    assert "it knows no word of this question" in text_of(nothing) and columns(nothing)["tfidf"] == []

    removed = client.post(f"{birds}/remove", data={"form_token": form_token(client), "name": "tfidf"})
    assert removed.status_code == 303
    assert list(columns(client.get(birds, query_string={"q": "heron"}))) == ["multilingual-e5-small"]


def test_the_search_page_asks_through_an_encoder_and_shows_what_its_words_carry(client, app, birds, work):
    asked = {"q": "a young falcon", "collection": "birds"}
    assert 'name="encoder"' not in client.get("/", query_string=asked).text
    assert client.post("/v1/collections/birds/encoders", json={"name": "rnn"}).status_code == 202
    work()
    page = client.get("/", query_string=asked | {"encoder": "rnn"})
    assert '<option value="">multilingual-e5-small</option>' in page.text
    assert '<option value="rnn" selected>rnn</option>' in page.text
    assert "<mark" in page.text and 'class="heat"' in page.text
    api = client.post(
        "/v1/collections/birds/search", json={"query": "a young falcon", "encoder": "rnn", "explain": True}
    ).json
    assert (api["mode"], api["hits"][0]["key"]) == ("attention", "falcon")
    hit = api["hits"][0]
    told = hit["explanation"]["attention"]
    assert sum(map(sum, told["carried"])) == pytest.approx(hit["parts"]["attention"], abs=1e-6)
    assert {word["text"] for word in told["query"]} == {"young", "falcon"}
    alike = re.search(r'<p class="alike"><a href="(.*?)"', page.text)[1].replace("&amp;", "&")
    assert "encoder=rnn" in alike and client.get(alike).status_code == 200
    unknown = client.get("/", query_string=asked | {"encoder": "lstm"})
    assert unknown.status_code == 404 and "has no encoder" in text_of(unknown)
    assert client.delete("/v1/collections/birds/encoders/rnn").status_code == 204


def test_another_model_takes_over_and_gives_back(client, birds, work):
    assert "Switch to another pretrained model" in text_of(client.get(birds))
    data = {"form_token": form_token(client), "name": " minilm-en ", "force": "on"}
    sent = client.post(f"{birds}/switch", data=data)
    assert sent.status_code == 303
    work()
    task = client.get(sent.headers["Location"])
    assert "minilm-en was adopted" in text_of(task)
    page = text_of(client.get(birds))
    assert "minilm-en pretrained 384 dimensions searches use it" in page
    assert "multilingual-e5-small pretrained 384 dimensions the former one" in page
    back = client.post(f"{birds}/rollback", data={"form_token": form_token(client)})
    assert back.status_code == 303
    page = text_of(client.get(birds, query_string={"lang": "zh"}))
    assert "multilingual-e5-small 预训练 384 维 搜索用它" in page and "换回它" in page
    client.post(f"{birds}/remove", data={"form_token": form_token(client), "name": "minilm-en"})
    assert "the former one" not in text_of(client.get(birds, query_string={"lang": "en"}))
    own = client.post(f"{birds}/switch", data={"form_token": form_token(client), "name": "transformer"})
    assert own.status_code in (400, 422) and "already" in text_of(own)


def test_it_speaks_chinese(client, birds):
    page = client.get(birds, query_string={"lang": "zh", "q": "苍鹭"})
    assert "集合 birds 的编码器" in text_of(page) and "并排比较" in text_of(page)


def test_what_is_wrong_is_told_and_changes_nothing(client, birds):
    token = form_token(client)
    unknown = client.post(birds, data={"form_token": token, "name": "lsl"})
    assert unknown.status_code == 422 and "did you mean &#39;lsi&#39;" in unknown.text
    assert client.post(birds, data={"name": "lsi"}).status_code == 403
    assert client.post(birds, data={"form_token": token}).status_code == 422
    own = client.post(f"{birds}/remove", data={"form_token": token, "name": "multilingual-e5-small"})
    assert own.status_code == 422
    assert client.get("/collections/no-such/encoders").status_code == 404
    hostile = client.get(birds, query_string={"q": HOSTILE})
    assert hostile.status_code == 200 and HOSTILE not in hostile.text
