"""The page of a collection's words, read as a browser without script reads it."""

import re

import pytest

from indexer.fitting import fit
from indexer.records import NewDocument
from tests.web.test_pages import HOSTILE, text_of
from web.service import EXTENSION

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()


@pytest.fixture(scope="module")
def address(app):
    client = app.test_client()
    for bird in BIRDS:
        body = {"text": f"The {bird} nests in the marsh, and a young {bird} learns to fly by the reeds."}
        assert client.put(f"/v1/collections/nests/documents/{bird}", json=body).status_code == 201
    return "/collections/nests/words"


def test_a_collection_without_learned_words_offers_to_learn_them(client, library):
    page = client.get(f"/collections/{library}/words")
    assert "has not learned its words yet" in text_of(page)
    assert (
        f'action="/collections/{library}/encoders"' in page.text
        and ">word2vec-skipgram</option>" in page.text
    )


def test_a_word_is_shown_among_its_neighbours_and_what_stands_beside_it(client, app, address):
    for kind in ("cooccurrence", "word2vec-cbow"):
        fit(app.extensions[EXTENSION].get(), "nests", kind)
    page = client.get(address, query_string={"word": "heron"})
    assert page.status_code == 200
    asked = {"ask": "neighbours", "words": ["heron"], "limit": 16, "encoder": "word2vec-cbow"}
    answer = client.post("/v1/collections/nests/words", json=asked).json
    section = page.text.partition("by word2vec-cbow")[2].partition("</section>")[0]
    shown = re.findall(r'<li><a href="[^"]+">(.*?)</a> <span class="modest">(-?[\d.]+)</span>', section)
    assert shown == [(each["word"], f"{each['score']:z.3f}") for each in answer["found"]]
    assert len(re.findall("<circle", section)) == 1 + len(shown)
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', section)
    assert all(0 <= float(x) <= 640 and 0 <= float(y) <= 400 for x, y in places)
    assert "What stands beside heron" in text_of(page) and "nests" in text_of(page)
    chinese = client.get(address, query_string={"word": "heron", "lang": "zh"})
    assert "集合 nests 的词语" in text_of(chinese)


def test_an_encoder_that_does_not_know_a_word_leaves_the_answer_to_the_others(client, app, address):
    service = app.extensions[EXTENSION].get()
    service.put_document("nests", NewDocument("late", "A dunlin nests in the marsh by the reeds."))
    fit(service, "nests", "word2vec-cbow")
    page = client.get(address, query_string={"word": "dunlin"})
    assert page.status_code == 200
    assert "by word2vec-cbow" in text_of(page) and "by cooccurrence" not in text_of(page)
    body = '{"ask": "neighbours", "words": ["\\ud800"]}'
    half = client.post("/v1/collections/nests/words", data=body, content_type="application/json")
    assert half.status_code == 400


def test_files_that_are_damaged_after_they_were_opened_are_told(client, app, address):
    service = app.extensions[EXTENSION].get()
    fit(service, "nests", "word2vec-skipgram")
    asked = {"query": "heron", "mode": "dense", "encoder": "word2vec-skipgram"}
    assert client.post("/v1/collections/nests/search", json=asked).status_code == 200
    for path in service.settings.encoders_folder.glob("word2vec-skipgram-*/words.safetensors"):
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-4])
    asked = {"ask": "neighbours", "words": ["heron"], "encoder": "word2vec-skipgram"}
    answer = client.post("/v1/collections/nests/words", json=asked)
    assert answer.json["code"] == "model_unavailable" and answer.status_code < 600
    service.remove_encoder("nests", "word2vec-skipgram")


def test_a_word_that_is_none_is_told_and_never_run(client, address):
    unknown = client.get(address, query_string={"word": "herron"})
    assert unknown.status_code == 404 and "“herron” is no word of this collection" in text_of(unknown)
    assert "Spelt like it: heron" in text_of(unknown) and 'value="herron"' in unknown.text
    nothing = client.get(address, query_string={"word": "zzzzzzzzzzzz", "lang": "zh"})
    assert nothing.status_code == 404 and "请输入它的文档里的一个词" in text_of(nothing)
    hostile = client.get(address, query_string={"word": HOSTILE[:90]})
    assert hostile.status_code in (404, 422) and HOSTILE[:90] not in hostile.text
