"""Documents through the real HTTP edge: stored one by one, in bulk, listed, read, deleted."""

import html
import io
import json
import re
from urllib.parse import unquote

import pytest

from web.api.bodies import body_lines


def lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


def bulk(client, collection, data):
    return client.post(
        f"/v1/collections/{collection}/documents", data=data, content_type="application/x-ndjson"
    )


def keys(client, collection, **parameters):
    answer = client.get(f"/v1/collections/{collection}/documents", query_string=parameters)
    return [document["key"] for document in answer.json["documents"]]


def test_a_document_is_created_found_updated_and_forgotten(client, collection):
    address = f"/v1/collections/{collection}/documents/birds/kingfisher"
    body = {"text": "The kingfisher dives for small fish.", "title": "Kingfisher", "metadata": {"year": 2024}}
    stored = client.put(address, json=body)
    assert (stored.status_code, stored.json) == (
        201,
        {"key": "birds/kingfisher", "outcome": "created", "passages": 1},
    )
    again = client.put(address, json=body)
    assert (again.status_code, again.json["outcome"]) == (200, "unchanged")

    for mode in ("lexical", "dense", "hybrid"):
        found = client.post(f"/v1/collections/{collection}/search", json={"query": "fish", "mode": mode}).json
        assert [hit["key"] for hit in found["hits"]] == ["birds/kingfisher"]

    changed = client.put(address, json=body | {"text": "The kingfisher nests in river banks."})
    assert (changed.status_code, changed.json["outcome"]) == (200, "updated")
    read = client.get(address).json
    assert read["text"] == "The kingfisher nests in river banks."
    assert read["document"]["metadata"] == {"year": 2024}
    assert [(place["start"], place["end"]) for place in read["passages"]] == [(0, len(read["text"]))]

    assert client.delete(address).status_code == 204
    gone = client.get(address)
    assert (gone.status_code, gone.json["code"]) == (404, "unknown_document")
    assert client.delete(address).status_code == 404
    assert (
        client.post(f"/v1/collections/{collection}/search", json={"query": "kingfisher"}).json["hits"] == []
    )


@pytest.mark.parametrize(
    "key", ["a", "a/b", "a//b", "/a", "a/", "delete", "笔记/大熊猫 1.md", "100%?#&+x", "a b"]
)
def test_a_key_may_be_anything_and_stays_what_it_is(client, collection, key):
    put = client.open(
        method="PUT",
        environ_overrides={
            "PATH_INFO": f"/v1/collections/{collection}/documents/{key}".encode().decode("latin-1")
        },
        json={"text": "words"},
    )
    assert (put.status_code, put.json["key"]) == (201, key)
    assert keys(client, collection) == [key]
    listed = client.get(f"/collections/{collection}/documents").text
    address = html.unescape(re.search(rf'href="(/collections/{collection}/documents/[^"]+)"', listed)[1])
    path = unquote(address, errors="strict").encode().decode("latin-1")
    page = client.get("/", environ_overrides={"PATH_INFO": path})
    assert page.status_code == 200 and "words" in page.text


@pytest.mark.parametrize(
    ("body", "status", "code", "sentence"),
    [
        ({}, 422, "invalid_input", "'text' is required"),
        ({"text": 7}, 422, "invalid_input", "'text' should be text"),
        ({"text": "x", "body": "y"}, 422, "invalid_input", "'body' is not a field"),
        ({"text": " \n"}, 422, "no_text", "no text"),
        ({"text": "x\x00"}, 422, "invalid_record", "NUL"),
        ({"text": "x", "metadata": {"a": [1, "b"]}}, 422, "invalid_record", "'a'"),
        ({"text": "x", "metadata": {"a.b": 1, "a": {"b": 2}}}, 422, "invalid_record", "'a.b'; rename one"),
        (
            {"text": "x", "title": "t" * 2001},
            422,
            "invalid_record",
            "has 2001 characters; give one of at most 2000",
        ),
        ({"text": "x", "metadata": {"a": 2**60}}, 422, "invalid_record", "'a'"),
        ({"text": "x", "metadata": []}, 422, "invalid_input", "'metadata' should be a JSON object"),
    ],
)
def test_a_document_that_cannot_be_stored_is_refused(client, collection, body, status, code, sentence):
    answer = client.put(f"/v1/collections/{collection}/documents/k", json=body)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert sentence in answer.json["detail"]


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "nonsense",
        "banana/split",
        "text/",
        "text/-",
        "Text/Plain",
        " text/plain",
        "text/plain\n",
        "text/plain; charset=utf-8",
        "text/html;<script>",
        "text/纯",
        "text/" + "x" * 128,
    ],
)
def test_a_media_type_that_is_none_is_refused(client, collection, media_type):
    address = f"/v1/collections/{collection}/documents/k"
    answer = client.put(address, json={"text": "words", "media_type": media_type})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_record")
    assert f"{media_type!r} is no media type" in answer.json["detail"]
    assert "such as text/markdown" in answer.json["detail"]
    assert client.get(address).status_code == 404


@pytest.mark.parametrize(
    "media_type",
    [
        "text/markdown",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "image/svg+xml",
    ],
)
def test_a_media_type_is_kept_and_filtered_by(client, collection, media_type):
    address = f"/v1/collections/{collection}/documents/k"
    assert client.put(address, json={"text": "words", "media_type": media_type}).status_code == 201
    assert client.get(address).json["document"]["media_type"] == media_type
    assert keys(client, collection, filter=json.dumps({"document.media_type": media_type})) == ["k"]


def test_bulk_gives_each_line_its_status_and_loses_none(client, collection, settings):
    data = "\n".join(
        [
            '{"key": "a", "text": "alpha"}',
            "",
            '{"key": "b", "text": "beta", "title": "B"}',
            "{broken",
            '{"key": "a", "text": "again"}',
            '{"key": "c"}',
            json.dumps({"key": "d", "text": "x" * settings.request_bytes_max}),
            "[]",
            '{"_id": "e", "text": "epsilon"}',
        ]
    )
    answer = bulk(client, collection, data.encode())
    assert (answer.status_code, answer.mimetype) == (200, "application/x-ndjson")
    found = lines(answer)
    assert [(status["line"], status["status"], status["code"]) for status in found] == [
        (1, 201, None),
        (3, 201, None),
        (4, 422, "invalid_record"),
        (5, 409, "duplicate_key"),
        (6, 422, found[4]["code"]),
        (7, 413, "too_large"),
        (8, 422, "invalid_record"),
        (9, 201, None),
    ]
    assert all(status["detail"] for status in found if status["status"] >= 400)
    assert keys(client, collection) == ["a", "b", "e"]
    assert client.get(f"/v1/collections/{collection}/documents/a").json["text"] == "alpha"
    hits = client.post(f"/v1/collections/{collection}/search", json={"query": "epsilon"}).json["hits"]
    assert hits[0]["key"] == "e"


@pytest.mark.parametrize(
    ("line", "code", "key"),
    [
        ('{"key": "b", "text": ""}', "no_text", "b"),
        ('{"id": 7}', "no_text", "7"),
        ('{"_id": "水", "text": "a", "title": 5}', "invalid_record", "水"),
        ('{"key": "m", "text": "a", "metadata": {"n": NaN}}', "invalid_record", None),
        ('{"key": "m", "text": "a", "metadata": {"mixed": [1, "a"]}}', "invalid_record", "m"),
        ('{"key": "twice", "text": "a"}', "duplicate_key", "twice"),
        ('{"key": "b", "text": "a"', "invalid_record", None),
        ('{"key": ["b"], "text": "a"}', "invalid_record", None),
        (r'{"key": "a\tb", "text": "a"}', "invalid_record", None),
        (json.dumps({"key": "k" * 513, "text": "a"}), "invalid_record", None),
        ('{"text": "a"}', "invalid_record", None),
    ],
)
def test_a_refused_line_is_named_by_its_key_where_it_has_one(client, collection, line, code, key):
    answer = bulk(client, collection, f'{{"key": "twice", "text": "first"}}\n{line}\n'.encode())
    refused = lines(answer)[1]
    assert (refused["line"], refused["code"], refused["key"]) == (2, code, key)
    assert keys(client, collection) == ["twice"]


def test_bulk_of_nothing_stores_nothing(client, collection):
    answer = bulk(client, collection, b"\n \n")
    assert (answer.status_code, answer.text) == (200, "")
    assert keys(client, collection) == []


def test_a_bulk_request_may_be_longer_than_any_other_body(client, collection, settings):
    data = b"\n".join(
        json.dumps({"key": str(number), "text": f"number {number % 7}"}).encode() for number in range(40)
    )
    padding = b"\n" * (2 * settings.upload_bytes_max)
    answer = bulk(client, collection, data + padding)
    assert [status["status"] for status in lines(answer)] == [201] * 40


def test_a_failure_before_the_first_line_is_the_whole_answer(client):
    answer = bulk(client, "no such name!", b'{"key": "a", "text": "b"}')
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_lines_of_any_length_take_no_more_memory_than_the_longest_allowed(app):
    data = b"short\n" + b"x" * 100_000 + b"\n\nexactly ten\r\nlast" + b"y" * 50
    with app.test_request_context("/v1/x", method="POST", data=data):
        assert list(body_lines(12)) == [
            b"short\n",
            b"x" * 13,
            b"\n",
            b"exactly ten\r\n",
            b"lastyyyyyyyyy",
        ]


def test_documents_are_paged_and_filtered(client, library):
    first = client.get(f"/v1/collections/{library}/documents?limit=2").json
    assert first["total"] == 5 and len(first["documents"]) == 2
    rest = keys(client, library, limit=50, cursor=first["next_cursor"])
    assert [document["key"] for document in first["documents"]] + rest == sorted(keys(client, library))
    assert keys(client, library, filter='{"shelf": "sky"}') == ["sky/eclipse.md"]
    refused = client.get(
        f"/v1/collections/{library}/documents", query_string={"filter": '{"a": {"$near": 1}}'}
    )
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_filter")


def test_what_is_no_cursor_is_refused(client, library):
    answer = client.get(f"/v1/collections/{library}/documents?cursor=%00")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert answer.json["detail"] == "this is no cursor; give the next_cursor of the page before"


@pytest.mark.parametrize("limit", [0, -1, 10**9])
def test_a_page_of_impossible_length_is_refused(client, library, limit):
    answer = client.get(f"/v1/collections/{library}/documents?limit={limit}")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_several_are_deleted_at_once(client, collection):
    bulk(client, collection, b'{"key": "a", "text": "x"}\n{"key": "b", "text": "y"}')
    answer = client.post(f"/v1/collections/{collection}/documents/delete", json={"keys": ["a", "z"]})
    assert (answer.status_code, answer.json) == (200, {"deleted": ["a"], "unknown": ["z"]})
    assert keys(client, collection) == ["b"]
    refused = client.post(f"/v1/collections/{collection}/documents/delete", json={"keys": []})
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")


def test_collections_come_and_go(client, collection):
    made = client.post("/v1/collections", json={"name": collection})
    assert made.status_code == 201 and made.headers["Location"] == f"/v1/collections/{collection}"
    assert client.get(made.headers["Location"]).json == made.json
    assert (made.json["documents"], made.json["passages"]) == (0, 0)
    assert collection in [found["name"] for found in client.get("/v1/collections").json["collections"]]
    twice = client.post("/v1/collections", json={"name": collection})
    assert (twice.status_code, twice.json["code"]) == (409, "collection_exists")
    assert client.delete(made.headers["Location"]).status_code == 204
    gone = client.get(made.headers["Location"])
    assert (gone.status_code, gone.json["code"]) == (404, "unknown_collection")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "x" * 300, "a\nb"])
def test_an_impossible_name_is_refused(client, name):
    answer = client.post("/v1/collections", json={"name": name})
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")


def test_an_unknown_encoder_is_refused(client, collection):
    answer = client.post("/v1/collections", json={"name": collection, "encoder": "telepathy"})
    assert (answer.status_code, answer.json["code"]) == (422, "unknown_name")


def test_documents_of_another_content_type_are_refused(client, collection):
    answer = client.post(f"/v1/collections/{collection}/documents", json={"key": "a", "text": "b"})
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
    assert "application/x-ndjson" in answer.json["detail"]


def upload(client, collection, *files, **parts):
    data = {"file": [(io.BytesIO(content), name) for name, content in files], **parts}
    return client.post(
        f"/v1/collections/{collection}/documents", data=data, content_type="multipart/form-data"
    )


def test_files_are_taken_worked_on_and_found(client, collection, work):
    good = b"# Otters\n\nSea otters hold hands while they sleep."
    answer = upload(client, collection, ("../../otters.md", good), ("empty.txt", b""))
    assert answer.status_code == 202 and answer.json["state"] == "enqueued"
    assert answer.headers["Location"] == f"/v1/tasks/{answer.json['id']}"
    work()
    task = client.get(answer.headers["Location"]).json
    assert (task["state"], task["stored"], task["done"]) == ("succeeded", 1, task["total"])
    assert [(problem["where"], problem["code"]) for problem in task["problems"]] == [
        ("empty.txt", "empty_input")
    ]
    assert keys(client, collection) == ["otters.md"]
    hits = client.post(f"/v1/collections/{collection}/search", json={"query": "sleeping otters"}).json["hits"]
    assert hits[0]["key"] == "otters.md"
    listed = client.get("/v1/tasks", query_string={"collection": collection}).json["tasks"]
    assert [found["id"] for found in listed] == [task["id"]]


def test_a_task_whose_files_were_all_refused_has_failed(client, collection, work):
    place = upload(client, collection, ("empty.txt", b""), ("also.txt", b"")).headers["Location"]
    work()
    task = client.get(place).json
    assert (task["state"], task["stored"], task["error"]["code"]) == ("failed", 0, "all_refused")
    assert [problem["code"] for problem in task["problems"]] == ["empty_input", "empty_input"]
    for _ in range(2):  # the second time its file is unchanged, which is no failure
        place = upload(client, collection, ("empty.txt", b""), ("a.txt", b"An otter.")).headers["Location"]
        work()
        task = client.get(place).json
        assert (task["state"], task["error"], len(task["problems"])) == ("succeeded", None, 1)


def test_what_a_document_says_of_its_dates_is_told(client, collection, work):
    said = {"date": "2019-03-04T05:06:07+08:00", "last-modified": "2020-01-02"}
    head = "".join(f'<meta name="{name}" content="{date}">' for name, date in said.items())
    page = f"<html><head>{head}</head><body><p>Otters float.</p></body></html>"
    upload(client, collection, ("otters.html", page.encode()), ("undated.txt", b"Otters."))
    work()
    dates = {"authored_at": "2019-03-03T21:06:07Z", "modified_at": "2020-01-02T00:00:00Z"}
    dated, undated = client.get(f"/v1/collections/{collection}/documents").json["documents"]
    assert dated | dates == dated and undated | dict.fromkeys(dates) == undated
    assert client.get(f"/v1/collections/{collection}/documents/otters.html").json["document"] == dated
    assert keys(
        client, collection, filter=json.dumps({f"document.{name}": dates[name] for name in dates})
    ) == ["otters.html"]
    pages = [
        client.get(f"/collections/{collection}/documents/{key}?lang=en").text
        for key in ("otters.html", "undated.txt")
    ]
    assert ["2019-03-03 21:06 UTC" in text and "2020-01-02 00:00 UTC" in text for text in pages] == [
        True,
        False,
    ]
    assert ["<dt>Written</dt>" in text and "<dt>Last edited</dt>" in text for text in pages] == [True, False]


def test_a_task_is_canceled(client, collection, work):
    task = upload(client, collection, ("a.txt", b"alpha")).json
    canceled = client.post(f"/v1/tasks/{task['id']}/cancel")
    assert (canceled.status_code, canceled.json["state"]) == (200, "canceled")
    work()
    assert keys(client, collection) == []


def test_an_upload_without_files_or_with_other_parts_is_refused(client, collection):
    nothing = upload(client, collection)
    assert (nothing.status_code, nothing.json["code"]) == (422, "invalid_input")
    other = upload(client, collection, ("a.txt", b"alpha"), title="A")
    assert other.status_code == 422 and "'title' is not a part of this form" in other.json["detail"]


def test_a_part_that_is_no_file_is_not_passed_over(client, collection):
    fields = {"file": ["notes.md", (io.BytesIO(b"alpha"), "a.txt")]}  # as of curl -F file=notes.md
    address = f"/v1/collections/{collection}/documents"
    answer = client.post(address, data=fields, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert "part 'file'" in answer.json["detail"] and "file=@" in answer.json["detail"]
    assert client.get(f"/v1/tasks?collection={collection}").json["tasks"] == []


def test_files_over_the_limit_are_refused(client, collection, settings):
    answer = upload(client, collection, ("big.txt", b"x" * settings.upload_bytes_max))
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert answer.json["limit_bytes"] == settings.upload_bytes_max


@pytest.mark.parametrize(("number", "code"), [(10**6, "unknown_task"), (10**30, "not_found")])
def test_an_unknown_task_is_a_404(client, number, code):
    answer = client.get(f"/v1/tasks/{number}")
    assert (answer.status_code, answer.json["code"]) == (404, code)
    assert (
        answer.json["detail"] == f"there is no task {number}; the list of tasks shows those there are"
    ) is (code == "unknown_task")
