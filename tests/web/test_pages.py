"""The pages over the real Service, read as a browser without script reads them."""

import html
import io
import re
from dataclasses import replace
from html import unescape
from urllib.parse import quote

import pytest

from web.app import create_app
from web.service import EXTENSION

HOSTILE = "<script>document.title='owned'</script>\"'><img src=x onerror=alert(1)>"


def text_of(answer):
    """What a reader sees, on one line."""
    body = answer.text.partition("<main")[2].partition(">")[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", body)).split())


def form_token(client):
    client.get("/upload")
    return client.get_cookie("xunyi_form").value


def test_a_question_leads_to_the_passage_that_answers_it(client, library):
    page = client.get("/", query_string={"q": "coppery Moon", "collection": library})
    assert page.status_code == 200
    first = re.search(r"<article>.*?</article>", page.text, re.S)[0]
    assert "Lunar eclipse" in first and "sky/eclipse.md" in first
    assert {"coppery", "Moon"} <= set(re.findall(r"<mark class=\"d[1-4]\">(.*?)</mark>", first))
    place = html.unescape(re.search(r'<h2><a href="([^"]+)"', first)[1])
    assert place == f"/collections/{library}/documents/sky/eclipse.md#p-0"
    document = client.get(place.partition("#")[0])
    assert 'id="p-0"' in document.text and "turns the Moon a coppery red" in text_of(document)


def test_the_question_and_choices_stay_in_the_form(client, library, collection):
    client.post("/v1/collections", json={"name": collection})
    page = client.get("/", query_string={"q": 'say "hi" & <b>', "collection": library, "mode": "lexical"})
    assert 'value="say &#34;hi&#34; &amp; &lt;b&gt;"' in page.text
    assert 'value="lexical" checked' in page.text
    assert f"<option selected>{library}</option>" in page.text


@pytest.mark.parametrize("mode", ["attention", "hybrid", "lexical"])
def test_scores_are_shown_with_their_parts(client, library, mode):
    question = {"query": "bread flour", "mode": mode}
    hits = client.post(f"/v1/collections/{library}/search", json=question).json["hits"]
    best = hits[0]
    longest = max(sum(max(0, part) for part in hit["parts"].values()) for hit in hits)
    page = client.get("/", query_string={"q": "bread flour", "mode": mode, "collection": library})
    first = re.search(r"<article>.*?</article>", page.text, re.S)[0]
    assert f"<b>{best['score']:.3f}</b>" in first
    articles = re.findall(r"<article>.*?</article>", page.text, re.S)
    for hit, article in zip(hits, articles, strict=True):
        assert re.findall(r'class="part (\w+)">[\w ]+ (-?[\d.]+)<', article) == [
            (name, f"{part:z.3f}") for name, part in hit["parts"].items()
        ]
    for name, part in best["parts"].items():
        width = float(re.search(rf'<rect class="{name}" x="[\d.]+" width="([\d.]+)"', first)[1])
        assert width == pytest.approx(100 * max(0, part) / longest, abs=0.01)


def test_the_table_of_a_hit_is_its_explanation(client, library):
    question = {"query": "where do turtles lay their eggs", "explain": True}
    hits = client.post(f"/v1/collections/{library}/search", json=question).json["hits"]
    page = client.get("/", query_string={"q": question["query"], "collection": library}).text
    tables = re.findall(r'<details class="why">.*?</details>', unescape(page), re.S)
    assert len(tables) == len(hits)
    arrows = []
    for hit, table in zip(hits, tables, strict=True):
        told = hit["explanation"]["attention"]
        heads = re.findall(r'<th scope="row">(.*?)</th>', table)
        assert heads == [word["text"] for word in told["query"]]
        above = r'<span class="above"[^>]*>↑</span>'
        columns = re.findall(rf'<th scope="col">({above})?(.*?)</th>', table)[:-1]
        shown = {(bool(arrow), word) for arrow, word in columns}
        assert shown <= {(word["start"] is None, word["text"]) for word in told["passage"]}
        assert len(columns) <= 10
        arrows.append(any(arrow for arrow, _ in shown))
        assert ("stands in the title or a heading" in table) is arrows[-1]
        totals = [int(total) for total in re.findall(r"<td><b>(-?\d+)</b></td>", table)]
        assert totals == [round(1000 * word["score"]) for word in told["query"]]
        assert sum(totals) / 1000 == pytest.approx(hit["parts"]["attention"], abs=0.001 * len(totals))
        for row, total in zip(
            re.findall(r"<tr><th scope=\"row\">.*?</tr>", table, re.S), totals, strict=True
        ):
            assert sum(map(int, re.findall(r"<td class=\"\w+\">(-?\d+)</td>", row))) == total
    assert all(arrows)
    assert 'tabindex="0"' in tables[0] and 'class="s5"' in tables[0]


def test_no_word_of_a_text_without_title_is_said_to_stand_above_it(client, collection):
    client.put(f"/v1/collections/{collection}/documents/a", json={"text": "Turtles lay their eggs in sand."})
    page = client.get("/", query_string={"q": "where do turtles lay eggs", "collection": collection}).text
    assert '<th scope="col">' in page and "↑" not in page


def test_the_part_of_the_site_one_is_in_is_marked(client, library):
    marked = {
        "/": [("page", "Search")],
        "/collections": [("page", "Documents")],
        f"/collections/{library}/documents": [("true", "Documents")],
        f"/collections/{library}/words": [("true", "Documents")],
        "/tasks": [("page", "Tasks")],
    }
    for address, expected in marked.items():
        navigation = re.search(r"<nav .*?</nav>", client.get(address).text, re.S)[0]
        assert re.findall(r'aria-current="(\w+)">(\w+)<', navigation) == expected
    answer = client.get(f"/collections/{library}")
    assert (answer.status_code, answer.location) == (302, f"/collections/{library}/documents")


def test_a_title_that_is_the_key_is_shown_once(client, collection):
    lines = (
        b'{"key": "input", "title": "input", "text": "Otters."}\n{"key": "b", "title": "B", "text": "Owls."}'
    )
    client.post(f"/v1/collections/{collection}/documents", data=lines, content_type="application/x-ndjson")
    for address in (f"/?q=otters&collection={collection}", f"/collections/{collection}/documents"):
        page = re.sub(r'<details class="why">.*?</details>', "", client.get(address).text, flags=re.S)
        shown = re.findall(r">(input|b|B)<", page)
        assert sorted(shown) == ["B", "b", "input"]


def test_of_a_long_passage_the_part_that_answers_is_shown_and_the_rest_behind_it(client, collection):
    dull = "早上起来，村里的人都去河边打水，孩子们在路上跑来跑去，谁也不着急。"
    answer = "大熊猫住在竹林里，每天要吃十几个小时的竹子。"
    text = 5 * dull + answer + 2 * dull
    documents = f"/v1/collections/{collection}/documents"
    for key, body in (("long", text), ("short", answer)):
        assert client.put(f"{documents}/{key}", json={"text": body}).json["passages"] == 1
    page = client.get("/", query_string={"q": "大熊猫吃竹子", "collection": collection, "lang": "zh"})
    shown = {}
    for article in re.findall(r"<article>.*?</article>", page.text, re.S):
        first, _, rest = article.partition("<details")
        words = [re.sub(r"<[^>]+>", "", part) for part in re.findall(r'<p class="passage">.*?</p>', article)]
        assert "<mark" in first and len(words[0]) <= 162
        shown[words[0].strip("…")] = words[1:], "完整段落" in rest
    [(extract, long), (_, short)] = sorted(shown.items(), key=lambda item: -len(item[0]))
    assert answer in extract and extract in text and long == ([text], True)
    assert short == ([], False)


def test_nothing_found_is_said_with_advice(client, library):
    page = client.get("/", query_string={"q": "zyzzyva", "collection": library, "mode": "lexical"})
    assert page.status_code == 200
    assert "Nothing was found" in text_of(page) and "searching by meaning" in text_of(page)


def test_a_question_of_spaces_is_no_question(client, library):
    page = client.get("/", query_string={"q": "  ", "collection": library})
    assert page.status_code == 200 and "can be searched" in text_of(page)


@pytest.mark.parametrize(
    ("parameters", "status", "sentence"),
    [
        ({"q": "x", "mode": "attentive"}, 422, "there is no mode 'attentive'"),
        ({"q": "x", "limit": "1000000000"}, 422, "a page shows 10, 30, 100 hits"),
        (
            {"q": "x", "collection": "nowhere"},
            404,
            "no collection called 'nowhere'; choose one from the list",
        ),
        ({"collection": "nowhere"}, 404, "no collection called 'nowhere'"),
        ({"q": "x" * 20_000}, 422, "10000"),
    ],
)
def test_what_cannot_be_answered_is_said_on_a_page(client, library, parameters, status, sentence):
    page = client.get("/", query_string={"collection": library} | parameters)
    assert page.status_code == status and page.content_type.startswith("text/html")
    assert sentence in text_of(page)


def test_every_page_speaks_both_languages(client, library):
    for address in ("/", "/upload", "/tasks", "/collections", f"/collections/{library}/documents"):
        english, chinese = (client.get(address, query_string={"lang": lang}) for lang in ("en", "zh"))
        assert '<html lang="en">' in english.text and '<html lang="zh-CN">' in chinese.text
        assert "搜索" not in english.text and "搜索" in chinese.text
    assert '<html lang="zh-CN">' in client.get("/upload").text  # remembered


def test_a_key_of_any_signs_has_its_page_in_both_languages(client, collection):
    key = "rows.csv#a?b=100%25 of 表"
    place = f"/v1/collections/{collection}/documents/{quote(key)}"
    assert client.put(place, json={"text": "A row of a table."}).status_code == 201
    page = client.get(f"/collections/{collection}/documents/{quote(key)}")
    other = html.unescape(re.search(r'href="([^"]*lang=zh[^"]*)"', page.text)[1])
    assert key in text_of(page) and key in text_of(client.get(other))


def test_what_a_stranger_wrote_is_text_everywhere(client, collection):
    address = f"/v1/collections/{collection}/documents/{'<b>k</b>'}"
    body = {"text": f"Hostile {HOSTILE} text", "title": HOSTILE, "metadata": {HOSTILE[:90]: HOSTILE}}
    assert client.put(address, json=body).status_code == 201
    pages = [
        client.get("/", query_string={"q": "hostile", "collection": collection}),
        client.get(f"/collections/{collection}/documents"),
        client.get(f"/collections/{collection}/documents/<b>k</b>"),
        client.get("/", query_string={"q": HOSTILE, "collection": collection}),
        client.get("/nothing/" + HOSTILE),
    ]
    for page in pages:
        assert "document.title=" in page.text
        assert "<script>" not in page.text and "<img" not in page.text and "<b>k" not in page.text


def test_documents_are_paged_and_deleted_by_a_form(client, collection):
    lines = b"\n".join(b'{"key": "%03d", "text": "number %d"}' % (n, n) for n in range(60))
    client.post(f"/v1/collections/{collection}/documents", data=lines, content_type="application/x-ndjson")
    first = client.get(f"/collections/{collection}/documents")
    assert "60 documents" in text_of(first) and ">049<" in first.text and ">050<" not in first.text
    following = client.get(html.unescape(re.search(r'rel="next" href="([^"]+)"', first.text)[1]))
    assert ">050<" in following.text and 'rel="next"' not in following.text

    fields = {"form_token": form_token(client), "key": "050"}
    answer = client.post(f"/collections/{collection}/documents/delete", data=fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/collections/{collection}/documents")
    assert client.get(f"/collections/{collection}/documents/050").status_code == 404
    assert "59 documents" in text_of(client.get(f"/collections/{collection}/documents"))


def test_a_deletion_that_names_no_document_is_answered_with_a_sentence(client, library):
    fields = {"form_token": form_token(client)}
    answer = client.post(f"/collections/{library}/documents/delete", data=fields)
    assert answer.status_code == 422 and "this form names no document" in text_of(answer)


def test_a_list_of_one_page_has_no_links_to_others(client, library):
    assert "<nav" not in client.get(f"/collections/{library}/documents").text.partition("<main")[2]


def test_a_page_that_a_document_does_not_have_is_a_404(client, collection):
    client.put(f"/v1/collections/{collection}/documents/short", json={"text": "short"})
    address = f"/collections/{collection}/documents/short"
    assert "Page 1 of" not in text_of(client.get(f"{address}?page=1"))
    for page in ("0", "2", "x", "-1"):
        answer = client.get(address, query_string={"page": page})
        assert answer.status_code == 404
        assert f"this document has no page '{page}'; its last page is 1" in text_of(answer)


def test_files_go_up_by_the_form_and_their_task_is_shown(client, collection, work):
    fields = {
        "form_token": form_token(client),
        "collection": collection,
        "file": [(io.BytesIO(b"Otters float on their backs."), "a.txt"), (io.BytesIO(b""), "empty.txt")],
    }
    answer = client.post("/upload", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 303
    before = client.get(answer.headers["Location"])
    assert "Waiting" in text_of(before) and 'http-equiv="refresh"' in before.text and "task.js" in before.text
    work()
    after = client.get(answer.headers["Location"])
    assert 'http-equiv="refresh"' not in after.text and "task.js" not in after.text
    said = text_of(after)
    assert "Done" in said and "1 document stored" in said and "1 refused" in said
    assert "empty.txt The file is empty" in said
    assert "Reading files into" in text_of(client.get("/tasks"))


def test_a_form_without_a_file_is_answered_with_a_sentence(client, collection):
    fields = {"form_token": form_token(client), "collection": collection}
    answer = client.post("/upload", data=fields, content_type="multipart/form-data")
    assert answer.status_code == 422 and "no file was sent" in text_of(answer)


def test_a_task_whose_only_file_was_refused_does_not_look_done(client, collection, work):
    client.post(
        f"/v1/collections/{collection}/documents",
        data={"file": (io.BytesIO(b"%PDF-1.4 broken"), "broken.pdf")},
        content_type="multipart/form-data",
    )
    work()
    (task,) = client.get("/v1/tasks", query_string={"collection": collection}).json["tasks"]
    page = client.get(f"/tasks/{task['id']}").text
    assert 'class="state refused" role="status">Refused<' in page and "Done" not in page


def test_a_waiting_task_can_be_stopped(client, collection):
    token = form_token(client)
    fields = {"form_token": token, "collection": collection, "file": (io.BytesIO(b"x"), "a.txt")}
    location = client.post("/upload", data=fields, content_type="multipart/form-data").headers["Location"]
    answer = client.post(f"{location}/cancel", data={"form_token": token})
    assert (answer.status_code, answer.headers["Location"]) == (303, location)
    assert "Stopped" in text_of(client.get(location))


def test_an_empty_home_tells_how_to_begin(tmp_path, settings):
    app = create_app(replace(settings, home=tmp_path, database_url=f"sqlite:///{tmp_path / 'xunyi.db'}"))
    client = app.test_client()
    for address in ("/", "/?q=anything", "/collections"):
        page = client.get(address)
        assert page.status_code == 200 and "xunyi ingest FOLDER" in text_of(page)
    app.extensions[EXTENSION].get().close()


def test_every_hit_leads_to_more_like_its_passage(client, library):
    page = client.get("/", query_string={"q": "bake bread", "collection": library})
    first = re.search(r"<article>.*?</article>", page.text, re.S)[0]
    assert "Sourdough" in first
    address = unescape(re.search(r'<p class="alike"><a href="([^"]+)">More like this passage<', first)[1])
    answer = client.get(address)
    assert answer.status_code == 200
    passage = int(re.search(r"passage=(\d+)", address)[1])
    hits = client.post(f"/v1/collections/{library}/similar", json={"like": [passage], "explain": True}).json[
        "hits"
    ]
    links = re.findall(r'<h2><a href="([^"]+)"', answer.text)
    assert [unescape(link) for link in links] == [
        f"/collections/{library}/documents/{quote(hit['key'])}#p-0" for hit in hits
    ]
    example = re.search(r"<blockquote>.*?</blockquote>", answer.text, re.S)[0]
    assert "Feed the starter with flour and water" in example
    assert f"/collections/{library}/documents/kitchen/sourdough.md#p-0" in example
    assert "<mark" in answer.text and "of the example (rows)" in answer.text
    chinese = client.get(address, headers={"Accept-Language": "zh"})
    assert "与这一段类似的内容" in chinese.text and ">更多类似段落<" in chinese.text


def test_the_table_of_a_likeness_shows_the_strongest_words_and_adds_up(client, library):
    hits = client.get(f"/v1/collections/{library}/search?q=panda").json["hits"]
    asked = {"like": [hits[0]["passage"]["id"]], "explain": True}
    best = client.post(f"/v1/collections/{library}/similar", json=asked).json["hits"][0]
    told = best["explanation"]["attention"]
    page = client.get("/similar", query_string={"collection": library, "passage": asked["like"][0]}).text
    table = re.search(r'<details class="why">.*?</details>', unescape(page), re.S)[0]
    heads = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', table)
    words = [word["text"] for word in told["query"]]
    strongest = sorted(range(len(words)), key=lambda place: -abs(told["query"][place]["score"]))[:12]
    assert len(words) > 12 and heads == [*(words[place] for place in sorted(strongest)), "all others"]
    totals = [int(total) for total in re.findall(r"<td><b>(-?\d+)</b></td>", table)]
    assert sum(totals) == pytest.approx(1000 * best["parts"]["attention"], abs=len(totals))


@pytest.mark.parametrize(
    ("asked", "status", "words"),
    [
        ({}, 422, "passage is the id of a passage, a number, not ''"),
        ({"passage": HOSTILE}, 422, "a number, not"),
        ({"passage": "１２"}, 422, "a number, not"),
        ({"passage": "9" * 20}, 404, "has no passage 99999999999999999999"),
        ({"passage": "1", "limit": "11"}, 422, "a page shows 10, 30, 100 hits"),
        ({"passage": "1", "collection": HOSTILE}, 404, "there is no collection"),
        ({"passage": "1", "collection": "nowhere"}, 404, "there is no collection"),
    ],
)
def test_a_bad_address_of_more_like_this_is_told_in_a_sentence(client, library, asked, status, words):
    answer = client.get("/similar", query_string={"collection": library} | asked)
    assert answer.status_code == status and words in text_of(answer)
    assert "<script>document" not in answer.text and "<img src=x" not in answer.text


def test_a_stranger_s_passage_is_text_on_the_page_of_its_like(client, collection):
    for key in ("a", "b"):
        body = {"text": f"{key} {HOSTILE}", "title": HOSTILE}
        client.put(f"/v1/collections/{collection}/documents/{key}", json=body)
    hit = client.get(f"/v1/collections/{collection}/search?q=a").json["hits"][0]
    page = client.get("/similar", query_string={"collection": collection, "passage": hit["passage"]["id"]})
    assert page.status_code == 200
    assert "<script>document" not in page.text and "<img src=x" not in page.text


def test_a_passage_that_is_alone_says_so(client, collection):
    client.put(f"/v1/collections/{collection}/documents/only", json={"text": "One heron."})
    hit = client.get(f"/v1/collections/{collection}/search?q=heron").json["hits"][0]
    page = client.get("/similar", query_string={"collection": collection, "passage": hit["passage"]["id"]})
    assert page.status_code == 200 and "holds nothing besides this passage" in text_of(page)
