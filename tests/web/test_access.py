import re
from dataclasses import replace

import pytest

from web.app import create_app
from web.service import EXTENSION

KEY = "correct horse battery staple"
OPEN = {("GET", "/static/<path:filename>"), ("GET", "/sign-in"), ("POST", "/sign-in")}


def filled(rule):
    return re.sub(r"<number:\w+>", "1", re.sub(r"<(?!number:)[^>]*>", "x", rule))


def test_every_route_asks_for_the_key(guarded, guarded_app):
    for rule in guarded_app.url_map.iter_rules():
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = guarded.open(filled(rule.rule), method=method)
            expected = (method, rule.rule) in OPEN
            assert (answer.status_code != 401) is expected, f"{method} {rule.rule}"
    assert guarded.get("/v1/nothing").status_code == 401


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_a_probe_carries_the_key(guarded, address):
    assert guarded.get(address).json["code"] == "unauthorized"
    probe = guarded.get(address, headers={"Authorization": f"Bearer {KEY}"})
    assert (probe.status_code, probe.json["status"]) == (200, "ok")


def test_without_a_key_a_program_gets_a_problem_and_a_person_the_form(guarded):
    answer = guarded.get("/v1/collections")
    assert answer.json["code"] == "unauthorized" and answer.headers["WWW-Authenticate"] == "Bearer"
    page = guarded.get("/collections?lang=zh")
    assert page.status_code == 401
    assert 'name="key"' in page.text and 'value="/collections?lang=zh"' in page.text


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": f"Bearer {KEY}"}, {"authorization": f"bearer  {KEY}"}, {"api-key": KEY}],
)
def test_the_key_opens(guarded, headers):
    assert guarded.get("/v1/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {KEY}x"},
        {"Authorization": f"Basic {KEY}"},
        {"Authorization": KEY},
        {"api-key": KEY[:-1]},
        {"api-key": "\u00e9"},
    ],
)
def test_another_key_does_not(guarded, headers):
    assert guarded.get("/v1/openapi.json", headers=headers).status_code == 401


def test_a_key_may_be_written_in_any_script(settings):
    client = create_app(replace(settings, api_key="芝麻开门")).test_client()
    as_sent = "芝麻开门".encode().decode("latin-1")
    assert client.get("/v1/openapi.json", headers={"api-key": as_sent}).status_code == 200


def test_signing_in_and_out(guarded, sign_in):
    answer = sign_in(guarded, next="/upload?collection=a")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/upload?collection=a")
    cookie = next(c for c in answer.headers.getlist("Set-Cookie") if c.startswith("xunyi_session="))
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Secure" not in cookie
    assert KEY not in cookie

    page = guarded.get("/upload")
    assert page.status_code == 200
    assert guarded.get("/v1/openapi.json").status_code == 200

    token = guarded.get_cookie("xunyi_form").value
    guarded.post("/sign-out", data={"form_token": token})
    assert guarded.get("/upload").status_code == 401


def test_the_cookie_is_secure_where_the_page_is(guarded, sign_in):
    cookies = sign_in(guarded, at="https://localhost").headers.getlist("Set-Cookie")
    assert ["Secure" in cookie for cookie in cookies if cookie.startswith("xunyi_session=")] == [True]


def test_a_wrong_key_stays_outside(guarded, sign_in):
    answer = sign_in(guarded, key="open sesame")
    assert answer.status_code == 401 and "This is not the key." in answer.text
    assert guarded.get("/").status_code == 401


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example", "/\\evil.example", "", "x\n"])
def test_signing_in_leads_nowhere_else(guarded, sign_in, address):
    assert sign_in(guarded, next=address).headers["Location"] == "/"


def test_a_changed_key_signs_everyone_out(guarded, guarded_app, settings, sign_in):
    sign_in(guarded)
    kept = guarded.get_cookie("xunyi_session").value
    other = create_app(replace(settings, api_key="another")).test_client()
    other.set_cookie("xunyi_session", kept)
    assert other.get("/upload").status_code == 401


def test_through_the_cookie_the_api_is_read_but_not_written(guarded, sign_in):
    sign_in(guarded)
    assert guarded.get("/v1/openapi.json").status_code == 200
    assert guarded.post("/v1/collections", json={"name": "x"}).status_code == 401


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:80", "[::1]:8080", "127.0.0.2"])
def test_this_computer_may_be_called_by_its_names(client, host):
    assert client.get("/v1/openapi.json", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "192.168.1.7:8080", "[::2]", "[::1", ""]
)
def test_no_other_name_may_lead_to_a_service_without_a_key(client, host):
    answer = client.get("/v1/openapi.json", headers={"Host": host})
    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")
    assert "XUNYI_API_KEY" in answer.json["detail"]


def test_with_a_key_any_name_may(guarded):
    headers = {"Host": "search.example", "api-key": KEY}
    assert guarded.get("/v1/openapi.json", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    ],
)
@pytest.mark.parametrize("address", ["/v1/collections", "/upload", "/v1/collections/c/documents/delete"])
def test_a_page_of_another_site_cannot_post(client, address, headers):
    answer = client.post(address, headers=headers)
    assert answer.status_code == 403 and "another site" in answer.text


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}],
)
def test_our_own_page_and_programs_can(client, headers):
    answer = client.post("/v1/collections", json={}, headers=headers)
    assert (answer.status_code, answer.json["detail"]) == (422, "'name' is required")


@pytest.mark.parametrize(
    "address", ["/upload", "/sign-in", "/sign-out", "/tasks/1/cancel", "/collections/c/documents/delete"]
)
def test_every_form_wants_its_token(client, address):
    client.get("/upload")
    assert client.post(address).status_code == 403
    assert client.post(address, data={"form_token": "x"}).status_code == 403
    assert "out of date" in client.post(address).text


def test_every_answer_protects_the_browser(client):
    for address in ("/upload", "/v1/openapi.json", "/v1/nothing", "/nothing", "/static/style.css"):
        with client.get(address) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert (headers["Cache-Control"] == "no-store") is not address.startswith("/static/")


def test_building_the_app_opens_nothing(tmp_path, settings):
    app = create_app(replace(settings, home=tmp_path / "not there"))
    assert app.test_client().get("/v1/openapi.json").status_code == 200
    assert app.extensions[EXTENSION]._service is None and not (tmp_path / "not there").exists()


class Unread:
    """A body that nobody may read."""

    def read(self, *_):
        raise AssertionError("the body was read")

    readline = __iter__ = read


@pytest.mark.parametrize("address", ["/upload", "/nothing", "/v1/collections/c/documents"])
def test_of_a_stranger_no_body_is_read(guarded, address):
    facts = {"CONTENT_LENGTH": "300000000", "CONTENT_TYPE": "multipart/form-data; boundary=x"}
    answer = guarded.post(address, environ_overrides={**facts, "wsgi.input": Unread()})
    assert answer.status_code == 401


def test_a_body_of_another_type_is_refused_before_it_is_read(client, library):
    facts = {"CONTENT_TYPE": "application/x-ndjson", "wsgi.input": Unread(), "wsgi.input_terminated": True}
    answer = client.post(f"/v1/collections/{library}/search", environ_overrides=facts)
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
