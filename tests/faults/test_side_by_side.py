"""Several processes on one home: all of them succeed, and nothing is lost, doubled or kept waiting."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import psutil

from indexer import keeping
from indexer.cache_lock import CacheLock
from indexer.cli import run
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections
from indexer.store import documents as stored
from tests.faults.homes import assert_same, documents, rows, write_documents
from tests.faults.processes import Served, ended, paused, resumed, soon, started


def test_two_ingests_into_one_new_collection_at_once(tmp_path, new_home, ingested, assert_clean):
    """They also make tables and collection at once, and half of their documents are the same."""
    first = write_documents(tmp_path / "first" / "docs", 48)
    second = write_documents(tmp_path / "second" / "docs", 48, first=24)
    home = new_home()
    both = [started(home, "ingest", "--json", folder) for folder in (first, second)]
    summaries = []
    for process in both:
        status, out, err = ended(process)
        assert status == 0, err
        summaries.append(json.loads(out))
    assert all(summary["refused"] == 0 for summary in summaries)
    assert [summary["created"] + summary["unchanged"] for summary in summaries] == [48, 48]
    assert sum(summary["created"] for summary in summaries) == len(documents(home)) == 72
    assert_clean(home)
    one_by_one = ingested(ingested(new_home("one by one"), first), second)
    assert_same(home, one_by_one, ("documents", "fields", "passages"))


def test_a_document_that_goes_while_it_is_found_unchanged_is_stored_anew(tmp_path, new_home, ingested):
    """The ingest has looked at what is stored and waits to write, when another process deletes some of it."""
    folder = write_documents(tmp_path / "docs", 20)
    home = ingested(new_home(), folder)
    service = Service.open(Settings.from_environment({}, home=home))
    before = documents(home)
    with service.database.write() as connection:
        process = started(home, "ingest", "--json", folder)
        soon(lambda: is_waiting(process), pause=0.3)
        found = collections.get(connection, "default")
        stored.delete(connection, found, ["record-00004", "docs/part-1/00001.txt"])
    service.close()
    status, out, err = ended(process)
    summary = json.loads(out)
    assert (status, summary["created"], summary["unchanged"]) == (0, 2, 18), err
    assert documents(home).keys() == before.keys()


def is_waiting(process, known={}):  # noqa: B006 - remembers between calls
    """Return whether a process has read a lot and then done nothing for a while."""
    times = psutil.Process(process.pid).cpu_times()
    seconds, last = times.user + times.system, known.get(process.pid, 0.0)
    known[process.pid] = seconds
    return seconds > 0.5 and seconds - last < 0.02


def test_an_ingest_beside_a_service(tmp_path, new_home, ingested, assert_clean):
    old = write_documents(tmp_path / "old", 40)
    new = write_documents(tmp_path / "new", 64, first=40)
    home = ingested(new_home(), old)
    with Served(home) as service:
        text = (old / "part-1" / "00001.txt").read_text("utf-8")
        process = started(home, "ingest", "--json", new)
        answered = 0
        while process.poll() is None:
            found = service.search("default", query=text, limit=1)
            assert found["hits"][0]["passage"]["text"] == text
            answered += 1
        status, out, err = ended(process)
        assert (status, json.loads(out)["created"]) == (0, 64), err
        (note,) = json.loads(out)["notes"]
        assert note.startswith(
            "all is stored and can be searched now; "
            f"bringing the caches up to date is left to process {service.worker().pid} "
            "(the worker of xunyi serve, since "
        )
        assert note.endswith(")")  # and nothing about being stuck
        assert answered > 3
        for number in (41, 77, 103):
            text = (new / f"part-{number % 5}" / f"{number:05d}.txt").read_text("utf-8")
            for mode in ("lexical", "dense", "hybrid"):
                found = service.search("default", query=text, mode=mode, limit=1)
                assert found["hits"][0]["passage"]["text"] == text
        soon(lambda: service.get("/v1/collections/default")["generation"] > 1)
    assert len(documents(home)) == 104
    assert_clean(home)


def test_a_stuck_keeper_of_the_caches_holds_up_nobody(tmp_path, new_home, ingested, capsys, monkeypatch):
    folder = write_documents(tmp_path / "docs", 20)
    home = ingested(new_home(), folder)
    worker = started(home, "worker")
    soon(lambda: keeper(home) == worker.pid)
    try:
        soon(lambda: stuck(worker, home))
        (folder / "more.txt").write_text("A lighthouse keeper trims the lamp at dusk.", "utf-8")
        capsys.readouterr()
        assert run(["ingest", "--home", str(home), str(folder)]) == 0
        shown = capsys.readouterr()
        told = " ".join(shown.err.split())
        assert f"the caches up to date is left to process {worker.pid} (xunyi worker, since " in told
        assert "all is stored and can be searched now" in told and "1 created, 20 unchanged" in shown.out
        assert "stuck" not in told  # it may be about to follow
        monkeypatch.setattr(keeping, "LATE", timedelta(0))  # as if two minutes had passed
        assert run(["ingest", "--home", str(home), str(folder)]) == 0
        told = " ".join(capsys.readouterr().err.split())
        assert f"left to process {worker.pid} (xunyi worker, since " in told
        assert "), which has not done so since 2" in told
        assert told.endswith("; if that process is stuck, stop it")
        for mode in ("lexical", "dense", "hybrid"):
            assert run(["search", "--home", str(home), "--mode", mode, "--json", "lighthouse lamp"]) == 0
            assert json.loads(capsys.readouterr().out)["hits"][0]["key"] == "docs/more.txt"
        assert run(["worker", "--once", "--home", str(home)]) == 2
        assert f"process {worker.pid}" in capsys.readouterr().err
        resumed(worker)
        soon(lambda: not behind(home))
        assert run(["ingest", "--home", str(home), str(folder)]) == 0
        assert "stuck" not in capsys.readouterr().err
    finally:
        resumed(worker)
        worker.terminate()
    assert ended(worker)[0] == 0
    assert run(["worker", "--once", "--home", str(home)]) == 0


def keeper(home):
    """Return the number of the process that keeps the caches of a home, 0 for none."""
    holder = CacheLock(home).holder()
    return holder.process if holder else 0


def behind(home):
    """Return whether the lexical index lacks changes."""
    ((covers, newest),) = rows(home, "SELECT covers, change_number FROM lexical_caches, collections")
    return covers != newest


def stuck(worker, home):
    """Stop a worker; let it go on and return False if it was just writing to the database."""
    paused(worker)
    with closing(sqlite3.connect(home / "xunyi.db", timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            resumed(worker)
            return False
        connection.execute("ROLLBACK")
    return True
