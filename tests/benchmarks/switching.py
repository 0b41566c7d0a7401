"""A collection of 10,000 passages goes over to another model while a server answers ten queries a second.

The server is a real `xunyi serve`, and its worker is killed in the middle of reading.  Every answer is held
against those of both encoders alone: one that is neither's would be a mixture.  Where the
test does not adopt it, the switch is forced; then the way back is timed.
"""

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import cycle
from threading import Event, Thread
from time import perf_counter, sleep
from typing import Any

import numpy as np

from indexer.service import Service
from indexer.settings import Settings
from tests.benchmarks import home_100k
from tests.benchmarks.demo_corpus import many_questions
from tests.benchmarks.processes import family, free_port, xunyi
from tests.benchmarks.report import Options, Outcome, Target

PASSAGES = 10_000
QUERIES_A_SECOND = 10
QUESTIONS = 40
QUIET_SECONDS = 20.0
OTHER = "minilm-en"
KILLED_AT = 0.4
"""Share of the first task at which the worker is killed."""
PATIENCE_SECONDS = 3600.0
POLL_SECONDS = 0.25
COLLECTION = f"/v1/collections/{home_100k.COLLECTION}"

Ranking = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """One query of the load."""

    began: float
    milliseconds: float
    status: int
    question: str
    ranking: Ranking


def run(options: Options) -> Outcome:
    """Serve, load, switch, kill, force, go back."""
    home = options.work / "home-10k"
    _made(options, home)
    port = free_port()
    command = xunyi("serve", "--workers", "1", "--port", str(port), "--home", str(home))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
        try:
            return _measured(port, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def _made(options: Options, home: Any) -> None:
    """Make the home, or bring one that is there back to the default model alone, with nothing left to do."""
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "models").exists():
        (home / "models").symlink_to(options.models)
    service = Service.open(Settings.from_environment({}, home))
    service.models.encoder(OTHER)
    if not service.collections():
        service.create_collection(home_100k.COLLECTION)
        collection = service.ensure_collection(home_100k.COLLECTION)
        home_100k.store_passages(service, collection, PASSAGES, home_100k.SEED, prefix="")
        with service.cache_lock.held("bench", service.clock()):
            now = home_100k.collection_now(service)
            service.keeper.follow(now)
            service.keeper.fold(now, service.models.encoder_of(now))
    for task in service.tasks(home_100k.COLLECTION):
        if task.state in ("enqueued", "processing"):
            service.cancel_task(task.id)
    for info in service.encoders(home_100k.COLLECTION):
        if not info.own:
            if info.name != OTHER:
                service.roll_back_encoder(home_100k.COLLECTION)
            service.remove_encoder(home_100k.COLLECTION, OTHER)
    service.close()


def _measured(port: int, server: int) -> Outcome:
    _until(lambda: _status(port, "GET", "/readyz")[0] == 200)
    questions = many_questions()[:QUESTIONS]
    alone = {"old": {question: _ask(port, question).ranking for question in questions}}
    load = Load(port, questions)
    marks = {"began": perf_counter()}
    sleep(QUIET_SECONDS)
    marks["switch"] = perf_counter()
    task = _post(port, f"{COLLECTION}/encoders/switch", {"name": OTHER})
    killed_at = _killed(port, server, task["id"])
    first = _ended(port, task["id"])
    marks["switched"] = perf_counter()
    if not first["report"]["adopted"]:
        _ended(port, _post(port, f"{COLLECTION}/encoders/switch", {"name": OTHER, "force": True})["id"])
    marks["forced"] = perf_counter()
    sleep(QUIET_SECONDS)
    alone["new"] = {question: _ask(port, question).ranking for question in questions}
    began = perf_counter()
    _post(port, f"{COLLECTION}/encoders/rollback", {})
    rollback_ms = (perf_counter() - began) * 1000
    back = {question: _ask(port, question).ranking for question in questions}
    sleep(QUIET_SECONDS)
    answers = load.ended()
    failed = Counter(str(each.status) for each in answers if each.status != 200)
    whose = Counter(_whose(each, alone) for each in answers if each.status == 200)
    spans = {
        "before": (marks["began"], marks["switch"]),
        "during": (marks["switch"], marks["switched"]),
        "after": (marks["forced"], perf_counter()),
    }
    return Outcome(
        settings={
            "passages": PASSAGES,
            "queries_a_second": QUERIES_A_SECOND,
            "questions": QUESTIONS,
            "to": OTHER,
            "workers": 1,
        },
        measured={
            "queries": len(answers),
            "failed": dict(failed),
            "answers_of": dict(whose),
            "latency_ms": {name: _latency(answers, *span) for name, span in spans.items()},
            "switch_seconds": marks["switched"] - marks["switch"],
            "killed_when_read": killed_at,
            "report": first["report"],
            "forced_seconds": marks["forced"] - marks["switched"],
            "rollback_ms": rollback_ms,
            "back_as_before": back == alone["old"],
        },
        targets=[
            Target("failed queries", float(failed.total()), 0),
            Target("answers of neither encoder", float(whose["neither"]), 0),
            Target(
                "answers after the rollback that differ from those before", float(back != alone["old"]), 0
            ),
        ],
    )


class Load:
    """Asks at a steady rate, whether answers come or not."""

    def __init__(self, port: int, questions: Sequence[str]) -> None:
        self._port = port
        self._questions = questions
        self._stop = Event()
        self._answers: list[Answered] = []
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with ThreadPoolExecutor(16) as pool:
            due = perf_counter()
            for question in cycle(self._questions):
                if self._stop.wait(max(due - perf_counter(), 0)):
                    return
                pool.submit(lambda asked: self._answers.append(_ask(self._port, asked)), question)
                due += 1 / QUERIES_A_SECOND

    def ended(self) -> list[Answered]:
        """Stop, and return what became of every query."""
        self._stop.set()
        self._thread.join()
        return self._answers


def _ask(port: int, question: str) -> Answered:
    began = perf_counter()
    try:
        status, answer = _status(port, "POST", f"{COLLECTION}/search", {"query": question})
    except OSError:
        status, answer = 0, {}
    hits = answer.get("hits", [])
    ranking = tuple((hit["key"], hit["score"]) for hit in hits)
    return Answered(began, (perf_counter() - began) * 1000, status, question, ranking)


def _whose(answered: Answered, alone: Mapping[str, Mapping[str, Ranking]]) -> str:
    for name, rankings in alone.items():
        if rankings[answered.question] == answered.ranking:
            return name
    return "neither"


def _latency(answers: Sequence[Answered], begin: float, end: float) -> dict[str, float]:
    taken = [each.milliseconds for each in answers if begin <= each.began < end]
    return {"p50": float(np.percentile(taken, 50)), "p95": float(np.percentile(taken, 95))}


def _killed(port: int, server: int, task: int) -> float:
    """Kill the worker once it has come far enough; return how far it was."""
    while True:
        now = _status(port, "GET", f"/v1/tasks/{task}")[1]
        share = float(now["done"]) / max(float(now["total"]), 1)
        if now["state"] == "processing" and share >= KILLED_AT:
            break
        if now["state"] not in ("enqueued", "processing"):
            raise RuntimeError(f"the task ended before it was killed: {now}")
        sleep(POLL_SECONDS)
    for process in family(server):
        if "worker" in process.cmdline():
            os.kill(process.pid, signal.SIGKILL)
            return share
    raise RuntimeError("there is no worker to kill")


def _ended(port: int, task: int) -> dict[str, Any]:
    def over() -> bool:
        return _status(port, "GET", f"/v1/tasks/{task}")[1]["state"] not in ("enqueued", "processing")

    _until(over)
    found = _status(port, "GET", f"/v1/tasks/{task}")[1]
    if found["state"] != "succeeded":
        raise RuntimeError(f"the switch came to nothing: {found}")
    return found


def _until(reached: Any) -> None:
    patience = perf_counter() + PATIENCE_SECONDS
    while not reached():
        if perf_counter() > patience:
            raise TimeoutError("it took too long")
        sleep(POLL_SECONDS)


def _post(port: int, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    status, answer = _status(port, "POST", path, body)
    if status not in (200, 202):
        raise RuntimeError(f"{path} was answered with {status}: {answer}")
    return answer


def _status(
    port: int, method: str, path: str, body: Mapping[str, Any] | None = None
) -> tuple[int, dict[str, Any]]:
    """Return status and body of one request; 0 while nobody listens."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        sent = json.dumps(body) if body else None
        connection.request(method, path, sent, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        text = response.read()
        is_json = "json" in response.headers.get("Content-Type", "")
        return response.status, json.loads(text) if is_json else {}
    except ConnectionRefusedError:
        return 0, {}
    finally:
        connection.close()
