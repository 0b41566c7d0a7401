"""The worker: does the tasks and keeps the caches of one home folder, for as long as it holds the lock.

``serve`` starts one as a child; ``xunyi worker`` runs one alone.  Killed at any moment it loses
nothing: a task is begun again and skips what is stored, and a cache is only ever swapped whole.
"""

import logging
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from indexer.ingest import Ingest, Progress
from indexer.readers.base import RecordFields
from indexer.records import TaskInfo, TaskState
from indexer.service import Service
from indexer.store import collections, tasks
from indexer.store.collections import Collection
from search.errors import CacheLocked, SearchError

log = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.3
LOCK_POLL_SECONDS = 1.0


class Canceled(Exception):
    """The task was canceled while it ran."""


class Worker:
    """Works until ``stop`` is set; one thread, one task at a time."""

    def __init__(self, service: Service, doing: str = "xunyi worker") -> None:
        self._service = service
        self._doing = doing
        self.stop = Event()

    def run(self) -> None:
        """Wait for the lock, then work until stopped."""
        told = False
        while not self.stop.is_set():
            try:
                with self._service.cache_lock.held(self._doing, self._service.clock()):
                    self.run_held()
            except CacheLocked as locked:
                if not told:
                    log.warning("waiting: %s", locked)
                told = True
                self.stop.wait(LOCK_POLL_SECONDS)

    def run_held(self) -> None:
        """Work until stopped; the lock is held."""
        self.begin()
        while not self.stop.is_set():
            if not self.step():
                self.stop.wait(POLL_SECONDS)

    def run_until_idle(self) -> None:
        """Work until there is nothing left to do; the lock is held."""
        self.begin()
        while self.step():
            pass

    def begin(self) -> None:
        """Take over what a worker before this one left half done."""
        with self._service.database.write() as connection:
            tasks.begin_again(connection, self._service.clock())
        self._service.keeper.sweep_deleted()
        self._for_each(
            lambda found: self._service.keeper.inspect(found, self._service.models.encoder_of(found))
        )

    def step(self) -> bool:
        """Do one task, or one round of keeping the caches; return whether there was anything to do."""
        if self._do_task():
            self._keep()
            return True
        return self._keep()

    def _keep(self) -> bool:
        return any(self._for_each(self._keep_one))

    def _keep_one(self, found: Collection) -> bool:
        keeper = self._service.keeper
        worked = keeper.follow(found)
        if keeper.due(found):
            keeper.fold(found, self._service.models.encoder_of(found))
            return True
        return worked

    def _for_each(self, work: Callable[[Collection], T]) -> list[T]:
        """Do ``work`` for every collection; one that cannot be kept now does not hold up the others."""
        with self._service.database.read() as connection:
            living = collections.all_collections(connection)
        results = []
        for found in living:
            try:
                results.append(work(found))
            except SearchError as error:
                log.warning("the caches of %s stay as they are: %s", found.name, error)
        return results

    def _do_task(self) -> bool:
        service = self._service
        with service.database.write() as connection:
            task = tasks.take(connection, service.clock())
        if task is None:
            return False
        try:
            self._ingest(task)
        except Canceled:
            log.info("task %s was canceled", task.id)
        except SearchError as error:
            self._finish(task, {"code": error.code, "detail": str(error)})
        except Exception:
            log.exception("task %s failed", task.id)
            self._finish(task, {"code": "internal_error", "detail": "the task failed; the log has the cause"})
        else:
            self._finish(task, None)
        return True

    def _finish(self, task: TaskInfo, error: dict[str, str] | None) -> None:
        with self._service.database.write() as connection:
            state: TaskState = "failed" if error else "succeeded"
            tasks.finish(connection, task.id, state, error, self._service.clock())

    def _ingest(self, task: TaskInfo) -> None:
        service = self._service
        pipeline = service.pipeline(service.ensure_collection(task.collection))
        with service.database.read() as connection:
            uploads = tasks.uploads(connection, task.id)
        with Ingest(
            pipeline, RecordFields(), self._noting(task), service.settings.upload_bytes_max
        ) as ingest:
            for upload in uploads:
                with service.database.read() as connection:
                    stream = tasks.opened(connection, upload)
                with stream:
                    ingest.stream(stream, upload.name, upload.name)

    def _noting(self, task: TaskInfo) -> Callable[[Progress], None]:
        def note(progress: Progress) -> None:
            with self._service.database.write() as connection:
                going_on = tasks.note_progress(
                    connection,
                    task.id,
                    done=progress.bytes_read,
                    stored=progress.created + progress.updated,
                    unchanged=progress.unchanged,
                    problems=progress.problems,
                )
            if not going_on:
                raise Canceled

        return note
