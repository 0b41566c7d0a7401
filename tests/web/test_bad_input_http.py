"""What bad files, bad lines and bad homes get over HTTP: a sentence with a code, and nothing else is lost."""

import io
import itertools
import json
import shutil
import sqlite3
import tracemalloc
from contextlib import closing
from dataclasses import replace

import pytest

from indexer.worker import Worker
from tests.bad_files import BAD_FILES, lines, pdf, record
from web.app import create_app
from web.service import EXTENSION

GOOD = {
    "good.txt": b"A dipper walks under water against the stream.",
    "last.pdf": pdf("A lapwing calls over the wet meadow at dusk."),
}
MEBIBYTE = 2**20


def bulk(client, collection, data, **options):
    """Send lines; return the status and code of each."""
    answer = client.post(
        f"/v1/collections/{collection}/documents", data=data, content_type="application/x-ndjson", **options
    )
    assert answer.status_code == 200, answer.json
    return [json.loads(line) for line in answer.text.splitlines()]


def keys(client, collection):
    found = client.get(f"/v1/collections/{collection}/documents?limit=1000").json
    return {document["key"] for document in found["documents"]}


# Files


@pytest.fixture(scope="module")
def uploaded(app):
    """The ended task for which every bad file and two good ones were sent."""
    client = app.test_client()
    files = [(io.BytesIO(file.content()), f"../..\\bad/{file.name}") for file in BAD_FILES]
    files[1:1] = [(io.BytesIO(content), f"/etc/{name}") for name, content in GOOD.items()]
    answer = client.post(
        "/v1/collections/uploaded/documents", data={"file": files}, content_type="multipart/form-data"
    )
    assert answer.status_code == 202, answer.json
    service = app.extensions[EXTENSION].get()
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    return client.get(answer.headers["Location"]).json


def test_what_is_refused_is_all_that_is_refused(client, uploaded):
    assert (uploaded["state"], uploaded["error"], uploaded["done"]) == ("succeeded", None, uploaded["total"])
    expected = {f"{file.name}{place}" for file in BAD_FILES for place, _, _ in file.refusals}
    assert {problem["where"] for problem in uploaded["problems"]} == expected
    good = GOOD.keys() | {key for file in BAD_FILES for key in file.stored}
    stored = keys(client, "uploaded")
    nameless = {key for key in stored if key.startswith("odd.jsonl#")}
    assert stored - nameless == good and uploaded["stored"] == len(good) + len(nameless) == len(good) + 1


@pytest.mark.parametrize("file", BAD_FILES, ids=lambda file: file.name)
def test_a_bad_file_is_refused_with_code_and_sentence(uploaded, file):
    found = {problem["where"]: (problem["code"], problem["detail"]) for problem in uploaded["problems"]}
    for place, code, words in file.refusals:
        given, sentence = found[f"{file.name}{place}"]
        assert given == code
        assert [word for word in words if word not in sentence] == []


@pytest.mark.parametrize(("question", "key"), [("dipper stream", "good.txt"), ("lapwing dusk", "last.pdf")])
def test_the_good_neighbours_are_found(client, uploaded, question, key):
    found = client.post("/v1/collections/uploaded/search", json={"query": question, "limit": 1}).json
    assert [hit["key"] for hit in found["hits"]] == [key]


def test_two_files_of_one_name_are_one_document_and_a_refusal(client, collection, work):
    files = [(io.BytesIO(b"first"), "a/same.txt"), (io.BytesIO(b"second"), "b/same.txt")]
    task = client.post(
        f"/v1/collections/{collection}/documents", data={"file": files}, content_type="multipart/form-data"
    ).json
    work()
    task = client.get(f"/v1/tasks/{task['id']}").json
    assert [(found["where"], found["code"]) for found in task["problems"]] == [("same.txt", "duplicate_key")]
    assert client.get(f"/v1/collections/{collection}/documents/same.txt").json["text"] == "first"


def test_files_for_a_collection_that_is_deleted_meanwhile_do_not_bring_it_back(client, collection, work):
    task = client.post(
        f"/v1/collections/{collection}/documents",
        data={"file": [(io.BytesIO(b"late"), "late.txt")]},
        content_type="multipart/form-data",
    ).json
    assert client.delete(f"/v1/collections/{collection}").status_code == 204
    work()
    assert client.get(f"/v1/tasks/{task['id']}").json["state"] == "canceled"
    assert client.get(f"/v1/collections/{collection}").status_code == 404


# Lines


@pytest.mark.parametrize(
    ("line", "status", "code", "words"),
    [
        (b'{"key": "bad", "text": "x"', 422, "invalid_record", "no JSON"),
        (b'{"key": "bad", "text": "x"', 422, "invalid_record", "(column 27)"),
        (b'"text"', 422, "invalid_record", "no JSON object"),
        (b'{"key": "bad", "text": "\xff"}', 422, "invalid_encoding", "UTF-8"),
        (b'\xff\xfe{\x00"\x00}\x00', 422, "invalid_encoding", "UTF-8"),
        (rb'{"key": "bad", "text": "\ud83d"}', 422, "invalid_record", "surrogate"),
        (rb'{"key": "\udc00", "text": "x"}', 422, "invalid_record", "surrogate"),
        (rb'{"key": "bad", "text": "a\u0000b"}', 422, "invalid_record", "U+0000"),
        (b'{"key": "bad", "text": " "}', 422, "no_text", "no text"),
        (b'{"key": "bad", "title": "x"}', 422, "no_text", "text, content or body"),
        (b'{"key": "bad", "text": ["x"]}', 422, "invalid_record", "'text' must be text"),
        (b'{"text": "x"}', 422, "invalid_record", "no key"),
        (
            b'{"key": 1.5, "text": "x"}',
            422,
            "invalid_record",
            "must be text or a whole number, not a fraction",
        ),
        (b'{"key": "bad", "text": "x", "n": NaN}', 422, "invalid_record", "NaN"),
        (b'{"key": "bad", "text": "x", "n": 1e999}', 422, "invalid_record", "finite"),
        (b'{"key": "bad", "text": "x", "n": ' + b"9" * 5000 + b"}", 422, "invalid_record", "digits"),
        (b'{"key": "bad", "text": "x", "n": ' + b"[" * 9000 + b"}", 422, "invalid_record", "deeply"),
        (b'{"key": "bad", "key": "b", "text": "x"}', 422, "invalid_record", "same field twice"),
        (b'{"key": "bad", "text": "x", "n": [1, true]}', 422, "invalid_record", "'n'"),
        (b'{"key": "before", "text": "again"}', 409, "duplicate_key", "'before'"),
        (b'{"key": "bad", "text": "' + b"x" * 70_000 + b'"}', 413, "too_large", "at most 60000"),
    ],
)
def test_a_bad_line_costs_itself(client, collection, line, status, code, words):
    data = lines(record("before")).encode() + b"\n" + line + b"\n" + lines(record("after")).encode()
    first, bad, last = bulk(client, collection, data)
    assert (first["status"], last["status"]) == (201, 201)
    assert (bad["line"], bad["status"], bad["code"]) == (2, status, code) and words in bad["detail"]
    assert keys(client, collection) == {"before", "after"}


class Sent(io.RawIOBase):
    """A body that comes piece by piece and is nowhere as a whole."""

    def __init__(self, pieces):
        self._pieces = pieces
        self._left = b""

    def readable(self):
        return True

    def readinto(self, buffer):
        self._left = self._left or next(self._pieces, b"")
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


def test_a_line_of_fifty_megabytes_costs_itself_and_takes_no_memory(client, collection):
    begin = lines(record("before")).encode() + b'\n{"key": "huge", "text": "'
    end = b'"}\n' + lines(record("after")).encode()
    pieces = itertools.chain([begin], itertools.repeat(bytes(MEBIBYTE), 50), [end])
    size = len(begin) + 50 * MEBIBYTE + len(end)
    bulk(client, collection, lines(record("warm")).encode())
    tracemalloc.start()
    body = {"wsgi.input": Sent(pieces), "CONTENT_LENGTH": str(size)}
    found = bulk(client, collection, None, environ_overrides=body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(line["status"], line["code"]) for line in found] == [
        (201, None),
        (413, "too_large"),
        (201, None),
    ]
    assert keys(client, collection) == {"warm", "before", "after"}
    assert peak < 8 * MEBIBYTE


# Homes


@pytest.fixture
def broken(settings, tmp_path, library):
    """A client of a service whose home somebody else has got at."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(settings.home / "models")
    with closing(sqlite3.connect(settings.home / "xunyi.db")) as source:
        with closing(sqlite3.connect(home / "xunyi.db")) as copy:
            source.backup(copy)
    app = create_app(replace(settings, home=home, database_url=f"sqlite:///{home / 'xunyi.db'}"))
    return app, home


def ask_all(client):
    """Return status and code of an answer of each kind."""
    return {
        (answer.status_code, answer.json["code"])
        for answer in (
            client.get("/healthz"),
            client.get("/readyz"),
            client.get("/v1/collections"),
            client.post("/v1/collections/library/search", json={"query": "bread"}),
            client.put("/v1/collections/library/documents/x", json={"text": "x"}),
        )
    }


def test_a_home_of_a_newer_version_is_refused_until_it_fits(broken):
    app, home = broken

    def revision(number):
        with closing(sqlite3.connect(home / "xunyi.db")) as connection, connection:
            (old,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            connection.execute("UPDATE alembic_version SET version_num = ?", (number,))
        return old

    client = app.test_client()
    known = revision("9999")
    assert ask_all(client) == {(503, "home_too_new")}
    answer = client.get("/v1/collections")
    assert "newer version of xunyi" in answer.json["detail"] and answer.headers["Retry-After"]
    page = client.get("/")
    assert page.status_code == 503 and "newer version" in page.text
    revision(known)
    assert client.get("/v1/collections/library").json["documents"] == 5
    app.extensions[EXTENSION].get().close()


def test_a_database_that_is_none_is_told_as_such(broken):
    app, home = broken
    (home / "xunyi.db").write_bytes(b"no database " * 2000)
    client = app.test_client()
    assert ask_all(client) == {(503, "store_unavailable")}
    detail = client.get("/v1/collections").json["detail"]
    assert "damaged, or no database" in detail and str(home) not in detail


def test_a_home_that_vanishes_under_a_service_is_told(broken):
    app, home = broken
    client = app.test_client()
    assert client.get("/v1/collections").status_code == 200
    app.extensions[EXTENSION].get().close()
    shutil.rmtree(home)
    assert client.get("/v1/collections").status_code == 503
