"""Caches that are truncated, altered, removed or replaced: answers stay right, say so, and are healed.

Once while nobody has them open, and once under a running service.
"""

import json
import random
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest

from indexer import lexical_caches
from indexer.cli import run
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.verifying import verify
from indexer.worker import Worker
from search.model import MODES, SearchRequest
from tests.faults.homes import documents, rows, write_documents
from tests.faults.processes import Served, is_alive, paused, resumed, soon

COLLECTION = "default"
QUESTIONS = (
    "Why does tea leave a brown film?",
    "咖啡为什么要闷蒸",
    "No. 17",
    "printing photographs with dots",
)
LATE = "A brown film on tea that came after the caches were made."


def opened(home):
    return Service.open(Settings.from_environment({}, home=home))


@pytest.fixture(scope="module")
def template(tmp_path_factory, models_folder):
    """A home with both caches made.

    They hold all that is stored: changes since then would weigh in BM25's statistics, but not in those of
    an index that is made anew, and passages that hardly match could change places.
    """
    home = tmp_path_factory.mktemp("damaged") / "home"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    folder = write_documents(home.parent / "docs", 60)
    assert run(["ingest", "--home", str(home), str(folder)]) == 0
    return home


@pytest.fixture(scope="module")
def right(template):
    """What the undamaged home answers."""
    service = opened(template)
    found, degraded, generation = answers(service)
    service.close()
    assert (degraded, generation) == ((), 1) and all(found)
    return found


@pytest.fixture
def home(template, tmp_path):
    return shutil.copytree(template, tmp_path / "home", symlinks=True)


def answers(service):
    """Return the passages of every question in every mode, what is degraded, and the generation."""
    found = [
        service.search(COLLECTION, SearchRequest(query=question, mode=mode, limit=10))
        for question in QUESTIONS
        for mode in MODES
    ]
    ids = [[hit.passage.id for hit in result.hits] for result in found]
    return ids, tuple(found[-1].degraded), found[-1].generation


def truncated(path, lot):
    replaced(path, path.read_bytes()[: lot.randrange(path.stat().st_size)])


def flipped(path, lot):
    content = bytearray(path.read_bytes())
    content[lot.randrange(len(content))] ^= 1 << lot.randrange(8)
    replaced(path, bytes(content))


def removed(path, _):
    path.unlink() if path.is_file() else shutil.rmtree(path)


def replaced(path, content):
    """Put another file in a file's place, as everything but a defect does."""
    other = path.with_name("other")
    other.write_bytes(content)
    other.rename(path)


DAMAGES = [
    ("vectors-*/vectors.faiss", truncated),
    ("vectors-*/vectors.faiss", flipped),
    ("vectors-*/vectors.faiss", removed),
    ("vectors-*/vectors.coarse.faiss", flipped),
    ("vectors-*/vectors.coarse.json", truncated),
    ("vectors-*/ids.npy", flipped),
    ("vectors-*", removed),
    ("lexical-*/*/*.term", truncated),
    ("lexical-*/*/*.idx", flipped),
    ("lexical-*/*/meta.json", removed),
    ("lexical-*", removed),
]


@pytest.mark.parametrize(("files", "damage"), DAMAGES)
def test_damage_done_while_nobody_looks_is_noticed_answered_and_healed(home, right, files, damage):
    (victim,) = (home / "caches").glob(files)
    damage(victim, random.Random(files))
    service = opened(home)
    found, degraded, generation = answers(service)
    assert found == right
    what, number = ("vector generation 1", None) if "vectors" in files else ("the lexical index", 1)
    assert len(degraded) == 1 and degraded[0].startswith(what) and str(home) not in degraded[0]
    assert generation == number
    health = service.health()
    assert (health.status, tuple(health.notes)) == ("degraded", degraded)
    assert [problem.code for problem in verify(service).problems] == ["cache_damaged"]

    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    assert answers(service) == (right, (), 2 if "vectors" in files else 1)
    assert service.health().status == "ok"
    assert verify(service).problems == []
    service.close()


def test_verify_looks_again_where_the_keeper_was_at_work(home, monkeypatch):
    """Between the row and the files that it names, the worker publishes the next index."""
    service = opened(home)
    open_index, interrupted = lexical_caches.open_index, []

    def interrupted_once(caches, row, analyzer):
        if not interrupted:
            interrupted.append(row.covers)
            service.put_document("default", NewDocument("late", "A late heron comes to the reeds."))
            with service.cache_lock.held("a test", service.clock()):
                service.keeper.follow(service.ensure_collection("default"))
        return open_index(caches, row, analyzer)

    monkeypatch.setattr(lexical_caches, "open_index", interrupted_once)
    assert verify(service).problems == []
    assert interrupted
    service.close()


@pytest.mark.parametrize("files", ["vectors-*", "lexical-*"])
def test_what_came_and_went_since_is_known_without_the_cache(home, files):
    service = opened(home)
    gone = sorted(documents(home))[30:32]
    service.delete_documents(COLLECTION, gone)
    service.put_document(COLLECTION, NewDocument("late.txt", LATE))
    (victim,) = (home / "caches").glob(files)
    removed(victim, None)
    for mode in MODES:
        found = service.search(COLLECTION, SearchRequest(query=LATE, mode=mode, limit=100))
        keys = [hit.key for hit in found.hits]
        assert keys[0] == "late.txt" and not set(keys) & set(gone) and len(found.degraded) == 1
        assert len(keys) == 59 or mode == "lexical"
    service.close()


def test_the_shell_answers_without_caches_and_says_so(home, right, capsys):
    shutil.rmtree(home / "caches")
    ask = ["search", "--home", str(home), "-n", "10", "--mode", "hybrid", QUESTIONS[0]]
    assert run(ask) == 0
    shown = capsys.readouterr()
    assert "degraded: vector generation 1" in shown.err and "degraded: the lexical index" in shown.err
    assert run(["verify", "--home", str(home)]) == 1
    told = capsys.readouterr().out.splitlines()
    for line, what in zip(told, ("generation 1", "lexical index"), strict=False):
        assert line.startswith(f"default, {what}: ")
        assert line.endswith("; `xunyi worker --once` makes it anew (cache_damaged)")
    assert told[2].startswith("2 problems: 60 documents")
    assert run(["worker", "--once", "--home", str(home)]) == 0
    capsys.readouterr()
    assert run(ask) == 0
    assert "degraded" not in capsys.readouterr().err
    assert run(["verify", "--home", str(home)]) == 0


def test_a_cache_of_another_past_is_cured_as_verify_says(home, capsys):
    """Its files are what was written, so only a look at the rows tells."""
    with closing(sqlite3.connect(home / "xunyi.db")) as connection, connection:
        number = "SELECT passage_id, hex(vector) FROM embeddings ORDER BY passage_id LIMIT 2"
        (first, _), (_, other) = connection.execute(number).fetchall()
        other = bytes.fromhex(other)
        connection.execute("UPDATE embeddings SET vector = ? WHERE passage_id = ?", (other, first))
    assert run(["verify", "--home", str(home)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == (
        "default, generation 1: a vector in it differs from the one in the database; delete the folder "
        "caches in the data folder, and `xunyi worker --once` makes it anew (cache_mismatch)"
    )
    assert run(["worker", "--once", "--home", str(home)]) == 0
    assert run(["verify", "--home", str(home)]) == 1
    shutil.rmtree(home / "caches")
    assert run(["worker", "--once", "--home", str(home)]) == 0
    assert run(["verify", "--home", str(home)]) == 0


def test_beside_a_keeper_verify_says_who_it_is_and_what_to_do(home, capsys):
    with Served(home) as served:
        worker = served.worker()
        shutil.rmtree(home / "caches")
        assert run(["verify", "--json", "--home", str(home)]) == 1
        problems = json.loads(capsys.readouterr().out)["problems"]
        assert [problem["where"] for problem in problems] == [
            "default, generation 1",
            "default, lexical index",
        ]
        for problem in problems:
            told = problem["detail"]
            assert f"; process {worker.pid} (the worker of xunyi serve, since " in told
            assert told.endswith(
                "makes it anew after the next `xunyi search` there; "
                "if that process is stuck, stop it and run `xunyi worker --once`"
            )
        assert run(["search", "--home", str(home), "tea"]) == 0
        soon(lambda: run(["verify", "--home", str(home)]) == 0, pause=0.1)


@pytest.fixture(scope="module")
def service(template, tmp_path_factory):
    home = shutil.copytree(template, tmp_path_factory.mktemp("served") / "home", symlinks=True)
    with Served(home) as served:
        served.home = home
        yield served


def asked(service):
    """Return over HTTP what ``answers`` returns."""
    found = [
        service.search(COLLECTION, query=question, mode=mode, limit=10)
        for question in QUESTIONS
        for mode in MODES
    ]
    ids = [[hit["passage"]["id"] for hit in result["hits"]] for result in found]
    return ids, found[-1]["degraded"], found[-1]["generation"]


def in_use(home, files):
    """Return the file or folder of a pattern that the newest cache of its kind consists of."""
    newest = {
        "vectors-*": "SELECT folder FROM generations ORDER BY id DESC",
        "lexical-*": "SELECT folder FROM lexical_caches",
    }
    kind, _, rest = files.partition("/")
    folder = home / "caches" / rows(home, newest[kind])[0][0]
    return next(folder.glob(rest)) if rest else folder


def overwritten(path, lot):
    """Rename another file of the same size over a file."""
    replaced(path, lot.randbytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("files", "damage"),
    [
        ("vectors-*/vectors.faiss", removed),
        ("vectors-*/vectors.faiss", overwritten),
        ("vectors-*/vectors.coarse.faiss", overwritten),
        ("vectors-*", removed),
        ("lexical-*/*/*.term", removed),
        ("lexical-*/*/*.idx", overwritten),
        ("lexical-*", removed),
    ],
)
def test_damage_done_under_a_running_service_is_noticed_answered_and_healed(service, right, files, damage):
    found, degraded, before = asked(service)
    assert (found, degraded) == (right, [])
    worker = service.worker()
    paused(worker)  # lest it be faster than we are
    damage(in_use(service.home, files), random.Random(files))
    found, degraded, generation = asked(service)
    assert found == right
    assert len(degraded) == 1 and generation == (None if "vectors" in files else before)
    assert service.get("/healthz")["notes"] == degraded
    assert service.get("/readyz")["status"] == "degraded"
    resumed(worker)
    soon(lambda: not service.search(COLLECTION, query="tea")["degraded"], pause=0.1)
    found, degraded, after = asked(service)
    assert (found, degraded) == (right, [])
    assert after == before + 1 if "vectors" in files else after == before
    assert service.get("/healthz")["status"] == "ok"


def test_a_mapped_file_that_is_cut_short_costs_at_worst_a_process_and_no_answer(service, right):
    """The kernel kills by SIGBUS whoever reads a mapped page that is not there any more."""
    worker, web = service.worker(), service.web()
    paused(worker)
    before = service.search(COLLECTION, query="tea")["generation"]
    victim = in_use(service.home, "vectors-*/vectors.faiss")
    victim.chmod(0o600)
    with victim.open("r+b") as file:
        file.truncate(100)
    web.send_signal(signal.SIGBUS)  # a search looks at the file's size first, and so would rarely be struck
    soon(lambda: not is_alive(web))
    found, degraded, generation = asked(service)
    assert found == right and len(degraded) == 1 and generation is None
    resumed(worker)
    soon(lambda: not service.search(COLLECTION, query="tea")["degraded"], pause=0.1)
    assert asked(service) == (right, [], before + 1)
