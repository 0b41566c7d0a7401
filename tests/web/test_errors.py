import io

import pytest

from search import errors as search_errors
from search.errors import SearchError, StoreBusy
from web import errors
from web.app import create_app

SECRET = "/home/somebody/secret.db"


@pytest.fixture(scope="module")
def failing(settings):
    """The application with three routes that fail on purpose, under both kinds of address."""
    app = create_app(settings)

    def bug():
        raise RuntimeError(SECRET)

    def busy():
        raise StoreBusy("the database is locked by process 7; try again", pid=7)

    for kind, start in (("api", "/v1"), ("page", "")):
        app.add_url_rule(f"{start}/bug", f"{kind}_bug", bug)
        app.add_url_rule(f"{start}/busy", f"{kind}_busy", busy)
    return app.test_client()


def test_every_failure_has_a_status_and_a_code_of_its_own():
    kinds = SearchError.__subclasses__()
    assert set(errors.STATUS) == set(kinds)
    assert all(400 <= status < 600 for status in errors.STATUS.values())
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert all(kind.__module__ == search_errors.__name__ for kind in kinds)


def test_a_bug_is_a_500_that_leaks_nothing_and_is_logged(failing, caplog):
    answer = failing.get("/v1/bug")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert answer.json == {
        "title": "internal error",
        "status": 500,
        "code": "internal_error",
        "detail": errors.INTERNAL,
    }
    page = failing.get("/bug")
    assert page.status_code == 500 and page.content_type.startswith("text/html")
    assert SECRET not in page.text and "RuntimeError" not in page.text
    assert caplog.text.count(SECRET) >= 2


def test_a_deliberate_failure_is_told_with_its_facts(failing):
    answer = failing.get("/v1/busy")
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "2"
    assert answer.json == {
        "title": "store busy",
        "status": 503,
        "code": "store_busy",
        "detail": "the database is locked by process 7; try again",
        "pid": 7,
    }


def test_a_page_tells_the_same_in_the_readers_language(failing):
    page = failing.get("/busy?lang=zh")
    assert page.status_code == 503
    assert "数据库繁忙" in page.text and "locked by process 7" in page.text and "store_busy" in page.text


@pytest.mark.parametrize(
    ("method", "address", "status", "code", "sentence"),
    [
        ("GET", "/v1/nothing", 404, "not_found", "there is nothing at /v1/nothing"),
        ("PUT", "/v1/tasks", 405, "method_not_allowed", "PUT is not a method of /v1/tasks"),
        ("GET", "/v1/tasks/seven", 404, "not_found", "there is nothing at /v1/tasks/seven"),
        ("GET", "/v1/collections/c/search?q=%ED%A0%80", 400, "bad_request", "the address is not UTF-8"),
        ("GET", "/v1/tasks?limit=1&limit=2", 422, "invalid_input", "'limit' is given more than once"),
        (
            "GET",
            "/v1/tasks?size=1",
            422,
            "invalid_input",
            "'size' is not a parameter of this address; remove",
        ),
        (
            "GET",
            "/v1/collections/c/search?q=x&k=3",
            422,
            "invalid_input",
            "'k' is not a parameter of this address",
        ),
        (
            "GET",
            "/v1/collections/c?x=1",
            422,
            "invalid_input",
            "'x' is not a parameter of this address; remove",
        ),
        (
            "GET",
            "/v1/openapi.json?x=1",
            422,
            "invalid_input",
            "'x' is not a parameter of this address; remove",
        ),
        (
            "DELETE",
            "/v1/collections/c?x=1",
            422,
            "invalid_input",
            "'x' is not a parameter of this address; remove",
        ),
        ("GET", "/v1/tasks?limit=-1", 422, "invalid_input", "limit is -1; give a number from 1 to 1000"),
        ("GET", f"/v1/tasks?limit={10**30}", 422, "invalid_input", "give a number from 1 to 1000"),
        ("GET", "/v1/tasks?limit=5.0", 422, "invalid_input", "'limit' should be a whole number"),
        ("GET", "/v1/tasks?limit=1_0", 422, "invalid_input", "'limit' should be a whole number"),
        ("GET", "/v1/tasks?limit=+5", 422, "invalid_input", "'limit' should be a whole number"),
        ("GET", "/v1/tasks?limit=%EF%BC%95", 422, "invalid_input", "'limit' should be a whole number"),
        ("GET", "/v1/tasks?limit=ten", 422, "invalid_input", "'limit' should be a whole number"),
        (
            "GET",
            "/v1/collections?limit=1",
            422,
            "invalid_input",
            "'limit' is not a parameter of this address",
        ),
        (
            "GET",
            "/v1/collections/c/search?q=x&explain=maybe",
            422,
            "invalid_input",
            "'explain' should be true or",
        ),
        ("GET", "/v1/collections/c/search", 422, "invalid_input", "'q' is required"),
        ("GET", "/v1/collections/c/documents?filter=[]", 422, "invalid_input", "should be a JSON object"),
    ],
)
def test_what_the_address_gets_wrong_is_said(client, method, address, status, code, sentence):
    answer = client.open(address, method=method)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert sentence in answer.json["detail"]
    assert answer.json["status"] == status and answer.content_type == "application/problem+json"


def test_a_key_that_is_not_utf8_is_no_other_documents_key(client):
    path = "/v1/collections/c/documents/\xff"  # as a server hands on %FF
    answer = client.get("/", environ_overrides={"PATH_INFO": path})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")


def test_a_wrong_method_names_the_right_ones(client):
    assert set(client.put("/v1/tasks").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"", 400, "the body is not valid JSON: Expecting value"),
        (b"{'query': 'x'}", 400, "Expecting property name"),
        (b'{"query": "\xff"}', 400, "byte 11 is not UTF-8"),
        (b'{"query": "x", "limit": NaN}', 400, "NaN is not a JSON number"),
        (rb'{"query": "\ud800"}', 400, r"\ud800 is half of a surrogate pair"),
        (b'{"query": "a", "query": "b"}', 400, "'query' is given more than once"),
        (b"[" * 50_000, 400, "nested too deeply"),
        (b"[]", 422, "the body should be a JSON object"),
        (b"null", 422, "the body should be a JSON object"),
        (rb'"{\"query\": \"x\"}"', 422, "the body should be a JSON object"),
        (b'{"query": "x", "min_score": 0.5}', 422, "'min_score' is not a field of this request"),
        (b'{"query": "x", "limit": "10"}', 422, "'limit' should be a whole number"),
        (b'{"query": "x", "limit": true}', 422, "'limit' should be a whole number"),
        (b'{"query": 7}', 422, "'query' should be text"),
        (b'{"query": "x", "filter": "a = 1"}', 422, "'filter' should be a JSON object"),
        (b'{"vector": "x"}', 422, "'vector' should be a list"),
        (b'{"query": "x", "explain": "yes"}', 422, "'explain' should be true or false"),
        (b'{"vector": [1, "2"]}', 422, "'vector.1' should be a number"),
    ],
)
def test_what_the_body_gets_wrong_is_said(client, body, status, sentence):
    answer = client.post("/v1/collections/c/search", data=body, content_type="application/json")
    assert answer.status_code == status
    assert answer.json["code"] == ("bad_request" if status == 400 else "invalid_input")
    assert sentence in answer.json["detail"]


def test_each_finding_has_a_pointer(client):
    body = {"limit": "x", "vector": [1, "y"], "a/b": 1}
    answer = client.post("/v1/collections/c/search", json=body)
    assert [finding["pointer"] for finding in answer.json["errors"]] == ["/vector/1", "/limit", "/a~1b"]
    assert answer.json["detail"].endswith("(and 2 more)")


def test_a_body_of_another_type_is_refused(client):
    answer = client.post("/v1/collections/c/search", data=b'{"query": "x"}', content_type="text/plain")
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
    assert "'Content-Type: application/json'" in answer.json["detail"]


def test_a_body_over_the_limit_is_refused_by_its_declared_length(client, settings):
    body = b'{"query": "' + b"x" * settings.request_bytes_max + b'"}'
    answer = client.post("/v1/collections/c/search", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert answer.json["limit_bytes"] == settings.request_bytes_max


def test_a_body_over_the_limit_is_refused_without_a_declared_length(client, settings):
    class Endless:
        sent = 0

        def read(self, size=-1):
            Endless.sent += size
            return b" " * size

    answer = client.post(
        "/v1/collections/c/search",
        content_type="application/json",
        environ_overrides={"wsgi.input": Endless(), "wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")
    assert Endless.sent < 10 * settings.upload_bytes_max


def test_a_form_with_too_many_parts_is_refused(client):
    parts = {f"field{number}": "x" for number in range(1003)}
    answer = client.post("/v1/collections/c/documents", data=parts, content_type="multipart/form-data")
    assert (answer.status_code, answer.json["code"]) == (413, "too_large")


def test_as_many_files_as_the_readme_says_go_up_at_once(client, collection):
    def files(count):
        return [(io.BytesIO(b"Words."), f"{number}.txt") for number in range(count)]

    client.get("/upload")
    form = {
        "form_token": client.get_cookie("xunyi_form").value,
        "collection": collection,
        "file": files(1000),
    }
    assert client.post("/upload", data=form, content_type="multipart/form-data").status_code == 303
    answer = client.post(
        f"/v1/collections/{collection}/documents",
        data={"file": files(1001)},
        content_type="multipart/form-data",
    )
    assert (answer.status_code, answer.json["code"]) == (422, "invalid_input")
    assert "send at most 1000" in answer.json["detail"]
