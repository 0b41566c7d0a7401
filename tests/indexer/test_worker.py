"""The worker and its tasks: a stop that comes in the middle costs nothing."""

import io
import sqlite3
from contextlib import closing

import pytest

from indexer import keeping
from indexer.keeping import keep_caches
from indexer.records import NewDocument, UploadedFile
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import tasks
from indexer.store.tables import TaskRow
from indexer.verifying import verify
from indexer.worker import Worker
from search.model import SearchRequest
from tests.faults.processes import soon


@pytest.fixture
def service(tmp_path, models_folder):
    (tmp_path / "models").symlink_to(models_folder)
    service = Service.open(Settings.from_environment({}, home=tmp_path))
    yield service
    service.close()


def row(service, number):
    with service.database.read() as connection:
        found = connection.execute(TaskRow.__table__.select().where(TaskRow.id == number)).one()
        return found.state, found.attempts, len(tasks.uploads(connection, number))


class Slow(Worker):
    """A worker that is told to stop before its first batch is stored, and is long in storing it."""

    def _ingest(self, task):
        self.stop.set()
        soon(lambda: row(self._service, task.id)[0] == "enqueued")
        super()._ingest(task)


def test_a_task_is_given_back_the_moment_its_worker_is_told_to_stop(service):
    content = b"The heron stands in the shallow water and waits."
    task = service.upload("birds", [UploadedFile("heron.txt", io.BytesIO(content))])
    for _ in range(tasks.ATTEMPTS_MAX + 1):
        with service.cache_lock.held("a test", service.clock()):
            slow = Slow(service)
            slow.begin()
            slow.step()
        assert row(service, task.id) == ("enqueued", 0, 1)
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    ended = service.task(task.id)
    assert (ended.state, ended.stored + ended.unchanged) == ("succeeded", 1)
    assert service.document("birds", "heron.txt").text == content.decode()


def test_a_task_that_was_put_back_is_not_ended(service):
    task = service.upload("birds", [UploadedFile("tern.txt", io.BytesIO(b"A tern dives for its fish."))])
    with service.database.write() as connection:
        tasks.take(connection, service.clock())
        tasks.put_back(connection, task.id)
        tasks.finish(connection, task.id, "succeeded", None, service.clock())
    assert row(service, task.id) == ("enqueued", 0, 1)


@pytest.fixture
def old(service):
    """A service whose three passages an older version stored, without token states."""
    for key in ("heron", "tern", "swift"):
        service.put_document("birds", NewDocument(key, f"The {key} is a bird of its own."))
    changed(service, "DELETE FROM token_states")
    return service


def changed(service, statement, *values):
    with closing(sqlite3.connect(service.settings.home / "xunyi.db")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def states(service):
    return dict(changed(service, "SELECT passage_id, states FROM token_states"))


def kept(service):
    """Have a worker do all there is to do."""
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()


def test_a_worker_makes_what_verify_says_is_not_made_yet(old):
    found = verify(old)
    assert (found.problems, found.notes) == (
        [],
        ["birds: 3 passages have no token states yet; `xunyi worker --once` makes them"],
    )
    with old.cache_lock.held("a test", old.clock()):
        (note,) = verify(old).notes
        assert note.startswith("birds: 3 passages have no token states yet; process ")
    kept(old)
    assert len(states(old)) == 3
    assert (verify(old).problems, verify(old).notes) == ([], [])


def test_damaged_states_are_told_with_their_cure_which_is_true(old):
    kept(old)
    right = states(old)
    first = min(right)
    changed(old, "UPDATE token_states SET states = ? WHERE passage_id = ?", right[first][:-1], first)
    (problem,) = verify(old).problems
    assert (problem.where, problem.code, problem.detail) == (
        f"birds, passage {first}",
        "states_damaged",
        "its token states cannot be unpacked; `xunyi worker --once` makes them anew",
    )
    with old.cache_lock.held("a test", old.clock()):
        (problem,) = verify(old).problems
        assert "; stop process " in problem.detail
        assert problem.detail.endswith(", and then `xunyi worker --once` makes them anew")
    kept(old)
    assert states(old) == right
    assert verify(old).problems == []


def test_an_ingest_makes_the_few_states_that_are_missing_and_tells_of_many(old, monkeypatch):
    monkeypatch.setattr(keeping, "FILLED_MAX", 2)
    assert keep_caches(old, "birds") == [
        "3 passages of birds have no token states yet; "
        "the worker of `xunyi serve`, or `xunyi worker --once`, makes them"
    ]
    assert states(old) == {}
    monkeypatch.setattr(keeping, "FILLED_MAX", 3)
    assert keep_caches(old, "birds") == []
    assert len(states(old)) == 3


def test_an_ingest_calibrates_what_is_small_and_tells_of_what_is_large(old, monkeypatch):
    for number in range(50):
        old.put_document("birds", NewDocument(f"{number}", f"Gull number {number} sits on a roof."))
    monkeypatch.setattr(keeping, "CALIBRATED_MAX", 52)
    assert keep_caches(old, "birds") == [
        "how relevant answers are cannot be told yet: the worker of `xunyi serve`, or "
        "`xunyi calibrate -c birds`, finds it out"
    ]
    assert old.search("birds", SearchRequest("a gull")).nothing_relevant is None
    monkeypatch.setattr(keeping, "CALIBRATED_MAX", 53)
    assert keep_caches(old, "birds") == []
    assert old.search("birds", SearchRequest("a gull")).nothing_relevant is False
    monkeypatch.setattr(keeping, "CALIBRATED_MAX", 52)
    assert keep_caches(old, "birds") == []


def test_tasks_and_caches_come_before_missing_states(old):
    """A worker that has a task at every turn makes none; nor does one that was told to stop."""
    with old.cache_lock.held("a test", old.clock()):
        worker = Worker(old)
        worker.begin()
        worker.step()
        while worker._for_each(worker._keep):
            pass
        for number in range(2):
            task = old.upload("birds", [UploadedFile(f"{number}.txt", io.BytesIO(b"A gull on a roof."))])
            before = len(states(old))
            assert worker.step()
            assert row(old, task.id)[0] == "succeeded"
            assert len(states(old)) == before + 1  # of the gull alone
        assert worker.step()
        assert len(states(old)) == 5
        assert not worker.step()


def test_a_worker_that_is_told_to_stop_fills_no_further(old, monkeypatch):
    monkeypatch.setattr("indexer.states_filling.SLICE_TEXTS", 1)
    batches = []

    class Told(Worker):
        def _fill(self, found):
            batches.append(found.name)
            self.stop.set()
            return super()._fill(found)

    with old.cache_lock.held("a test", old.clock()):
        Told(old).run_until_idle()
    assert batches == ["birds"] and len(states(old)) == 1


def test_a_model_that_is_not_there_keeps_no_cache_from_being_kept(old, monkeypatch, caplog):
    """States wait for it for long, and say so once; words need no model."""
    changed(old, "UPDATE encoders SET fingerprint = 'another'")
    with old.cache_lock.held("a test", old.clock()):
        worker = Worker(old)
        worker._fill_one()
        worker._fill_one()
        assert caplog.text.count("caches and token states of birds stay as they are") == 1
        assert worker._guarded(worker._service.keeper.follow, old.ensure_collection("birds"))
