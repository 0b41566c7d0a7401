"""The worker and its tasks: a stop that comes in the middle costs nothing."""

import io

import pytest

from indexer.records import UploadedFile
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import tasks
from indexer.store.tables import TaskRow
from indexer.worker import Worker
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
