"""What only the real server can show: addresses of any length, clients that hang up, several at once."""

import socket
from urllib.parse import quote

import pytest

from tests.faults.processes import Served, is_alive


@pytest.fixture(scope="module")
def service(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("server") / "home"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    with Served(home) as service:
        text = {"text": "A goldcrest weighs no more than a coin."}
        assert service.ask("PUT", "/v1/collections/birds/documents/goldcrest", text)[0] == 201
        yield service


@pytest.mark.parametrize(
    ("question", "status"),
    [("鸟" * 10_000, 200), ("x" * 10_000, 200), ("鸟" * 20_000, 422), ("🐦" * 20_000, 422)],
)
def test_a_long_question_in_an_address_is_answered_in_words(service, question, status):
    found, answer = service.ask("GET", f"/v1/collections/birds/search?limit=1&q={quote(question)}")
    assert found == status
    if status == 200:
        assert answer["hits"][0]["key"] == "goldcrest"
    else:
        assert answer["code"] == "invalid_input" and "20000 characters; at most 10000" in answer["detail"]


def test_an_address_without_end_is_refused(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(b"GET /?q=" + b"x" * 400_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 414 ")


def test_clients_that_hang_up_cost_nothing(service):
    """The answer of a client that is gone meets a broken pipe."""
    web = service.web()
    for path in ("/healthz", "/v1/collections/birds/search?q=coin", "/"):
        for _ in range(5):
            client = socket.create_connection(("127.0.0.1", service.port))
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
            client.close()
    half = b"POST /v1/collections/birds/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(half)
    assert service.search("birds", query="coin")["hits"][0]["key"] == "goldcrest"
    assert is_alive(web) and service.web().pid == web.pid


@pytest.mark.parametrize("size", [b"zz", b"-5"])
def test_malformed_chunks_are_the_fault_of_who_sent_them(service, size):
    head = (
        b"POST /v1/collections/birds/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as client:
        client.sendall(head + size + b"\r\n{}\r\n0\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
