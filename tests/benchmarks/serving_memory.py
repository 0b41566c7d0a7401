"""The memory of a real ``xunyi serve`` over 100,000 passages, and how soon it answers after a start."""

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import cycle
from time import perf_counter, sleep
from typing import Any

import numpy as np

from tests.benchmarks import home_100k
from tests.benchmarks.demo_corpus import many_questions
from tests.benchmarks.processes import MEBIBYTE, family, free_port, status_bytes, xunyi
from tests.benchmarks.report import Options, Outcome, Target

QUERIES = 1000
MEMORY_MIB_MAX = 700.0
READY_SECONDS_MAX = 4.0
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.02
SEARCH = f"/v1/collections/{home_100k.COLLECTION}/search"

MIX: tuple[Mapping[str, Any], ...] = (
    {},
    {"mode": "hybrid", "limit": 30},
    {"mode": "lexical"},
    {"mode": "dense"},
    {"filter": {"half": True}},
    {"filter": {"hundredth": 7}, "group_by": "passage"},
    {"filter": {"document.language": "zh"}, "explain": True},
    {"mode": "lexical", "filter": {"tenth": "a"}, "limit": 100},
)
"""What the queries ask for, taking turns."""


def run(options: Options) -> Outcome:
    """Start a server twice; ask the first one a thousand times, and time the second."""
    home_100k.opened(options).close()
    home = options.work / "home-100k"
    with _served(home) as (port, process, started):
        first_start = _until_answered(port, started)
        milliseconds = _asked(port)
        memory = _memory(process)
    with _served(home) as (port, _, started):
        second_start = _until_answered(port, started)
    total = sum(row["anonymous_mib"] for row in memory)
    return Outcome(
        settings={"passages": home_100k.PASSAGES, "workers": 1, "queries": QUERIES, "mix": MIX},
        measured={
            "anonymous_mib": total,
            "processes": memory,
            "first_start": first_start,
            "second_start": second_start,
            "http_p50_ms": float(np.median(milliseconds)),
            "http_p95_ms": float(np.percentile(milliseconds, 95)),
        },
        targets=[
            Target("anonymous memory of all processes after the queries, MiB", total, MEMORY_MIB_MAX),
            Target("second start until the first answer, s", second_start["answered_s"], READY_SECONDS_MAX),
        ],
    )


@contextmanager
def _served(home: Any) -> Iterator[tuple[int, int, float]]:
    """Serve a home; yield the port, the process and when it was started."""
    port = free_port()
    started = perf_counter()
    command = xunyi("serve", "--workers", "1", "--port", str(port), "--home", str(home))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield port, process.pid, started
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS_MAX)


def _until_answered(port: int, started: float) -> dict[str, float]:
    """Wait for ``/readyz``, then ask one question; return the seconds since the start of both."""
    while _status(port, "GET", "/readyz") != 200:
        if perf_counter() - started > START_SECONDS_MAX:
            raise TimeoutError(f"the server was not ready after {START_SECONDS_MAX} s")
        sleep(POLL_SECONDS)
    ready = perf_counter() - started
    if _status(port, "POST", SEARCH, {"query": many_questions()[0]}) != 200:
        raise RuntimeError("the server was ready and did not answer")
    return {"ready_s": ready, "answered_s": perf_counter() - started}


def _status(port: int, method: str, path: str, body: Mapping[str, Any] | None = None) -> int:
    """Return the status of one request; 0 while nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_SECONDS_MAX)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def _asked(port: int) -> list[float]:
    """Send the mixed queries one by one; return their milliseconds."""
    milliseconds = []
    for number, (query, ways) in enumerate(zip(cycle(many_questions()), cycle(MIX), strict=False)):
        if number == QUERIES:
            return milliseconds
        started = perf_counter()
        status = _status(port, "POST", SEARCH, {"query": query, **ways})
        if status != 200:
            raise RuntimeError(f"query {number} was answered with {status}")
        milliseconds.append((perf_counter() - started) * 1000)
    raise AssertionError("the cycles do not end")


def _memory(process: int) -> list[dict[str, Any]]:
    """Return the anonymous and the whole resident memory of each process of a server."""
    return [
        {
            "process": " ".join(member.cmdline()[1:5]),
            "anonymous_mib": status_bytes(member.pid, "RssAnon") / MEBIBYTE,
            "resident_mib": status_bytes(member.pid, "VmRSS") / MEBIBYTE,
        }
        for member in family(process)
    ]
