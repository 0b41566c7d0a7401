"""The worker: does the tasks and keeps the caches of one home folder, for as long as it holds the lock.

``serve`` starts one as a child; ``xunyi worker`` runs one alone.  Killed at any moment it loses
nothing: a task is begun again and skips what is stored, and a cache is only ever swapped whole.

What is wrong for a while (a full disk, a database that is locked or away) ends nothing: the task at hand
goes back, and after a pause it is tried again.  A task fails only by what is in it.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from threading import Event, Thread
from time import monotonic
from typing import BinaryIO, TypeVar

from sqlalchemy.engine import Connection

from indexer.calibrating import Calibrator
from indexer.evaluation_tasks import measure_systems
from indexer.fitting import fit, import_vectors
from indexer.ingest import Ingest, Progress
from indexer.judged_questions import kept
from indexer.map_records import MapRequest
from indexer.readers.base import RecordFields
from indexer.records import TaskInfo, TaskState
from indexer.service import Service
from indexer.states_filling import Filler, drop_flawed, with_states
from indexer.store import collections, tasks
from indexer.store.collections import Collection
from indexer.store.tasks import Canceled
from indexer.switching import switch
from indexer.training_tasks import noted
from search.child import Step
from search.encoders.fitted.catalog import IMPORTED
from search.errors import CacheLocked, SearchError, StorageFull, StoreBusy, StoreUnavailable

log = logging.getLogger(__name__)

T = TypeVar("T")
Write = Callable[[Connection], None]

POLL_SECONDS = 0.3
LOCK_POLL_SECONDS = 1.0
RETRY_SECONDS = 5.0
FILL_RETRY_SECONDS = 300.0
"""Nobody waits for token states, and a model that is not there will not be there soon."""
KEEP_SECONDS = 5.0
ALL_REFUSED = "all_refused"
"""Code of a task that stored nothing, because everything in it was refused."""
PASSING = (StorageFull, StoreBusy, StoreUnavailable)
"""Failures that are no fault of a task and may be over in a while."""


class Stopped(Exception):
    """The worker was told to stop while a task ran."""


class Worker:
    """Works until ``stop`` is set; one thread, one task at a time."""

    def __init__(self, service: Service, doing: str = "xunyi worker") -> None:
        self._service = service
        self._doing = doing
        self._filler = Filler(service.database)
        self._calibrator = Calibrator(service)
        self._resting: dict[tuple[str, int, int], float] = {}
        """What could not be done for a collection and encoder, and until when (monotonic) it rests."""
        self._owed: list[Write] = []
        """How tasks ended, where that could not be written down yet."""
        self._known: set[int] = set()
        """Collections that were there in the last round."""
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
        self._until_done(self.begin)
        while not self.stop.is_set():
            if not self._until_done(self.step):
                self.stop.wait(POLL_SECONDS)

    def run_until_idle(self) -> None:
        """Work until there is nothing left to do, or until stopped; the lock is held.

        Reads all token states first: those that are damaged are made anew.

        Raises:
            StorageFull, StoreBusy, StoreUnavailable: it cannot go on now; nothing is lost.
        """
        self.begin()
        self._for_each(self._drop_flawed)
        while not self.stop.is_set() and self.step():
            pass

    def begin(self) -> None:
        """Take over what a worker before this one left half done."""
        with self._service.database.write() as connection:
            tasks.begin_again(connection, self._service.clock())
        self._service.keeper.sweep_deleted()
        self._for_each(self._inspect)

    def step(self) -> bool:
        """Do one task and one round of keeping the caches; return whether there was anything to do.

        Where there was nothing, a batch of missing token states is made, or a collection calibrated: only
        then, since that takes seconds that nobody waits for.
        """
        self._write_owed()
        worked = self._do_task()
        return self._for_each(self._keep) or worked or self._fill_one() or self._calibrate_one()

    def _until_done(self, work: Callable[[], T]) -> T | None:
        """Do ``work``, again and again while what keeps it from being done may pass; None when stopped."""
        while not self.stop.is_set():
            try:
                return work()
            except PASSING as error:
                log.warning("trying again in %.0f s: %s", RETRY_SECONDS, error)
                self.stop.wait(RETRY_SECONDS)
        return None

    def _inspect(self, found: Collection) -> bool:
        self._service.keeper.inspect(found, self._service.models.encoder_of)
        return False

    def _keep(self, found: Collection) -> bool:
        keeper = self._service.keeper
        return keeper.follow(found) | keeper.fold_due(found, self._service.models.encoder_of)

    def _fill_one(self) -> bool:
        """Make a batch of missing token states of the first collection that lacks any, by one encoder."""
        with self._service.database.read() as connection:
            living = collections.all_collections(connection)
            seen = [each for found in living for each in with_states(connection, found)]
        return any(self._guarded(self._fill, each, FILL_RETRY_SECONDS) for each in seen)

    def _fill(self, seen: Collection) -> bool:
        return self._filler.fill(seen, self._service.models.encoder_of(seen))

    def _calibrate_one(self) -> bool:
        with self._service.database.read() as connection:
            living = collections.all_collections(connection)
        return any(self._guarded(self._calibrate, found, FILL_RETRY_SECONDS) for found in living)

    def _calibrate(self, found: Collection) -> bool:
        return self._calibrator.calibrate(found, self.stop.is_set)

    def _drop_flawed(self, found: Collection) -> bool:
        with self._service.database.read() as connection:
            those = with_states(connection, found)
        for seen in those:
            drop_flawed(self._service.database, seen, self._service.models.encoder_of(seen))
        return False

    def _for_each(self, work: Callable[[Collection], bool]) -> bool:
        """Do ``work`` for every collection; one that cannot be kept now does not hold up the others."""
        with self._service.database.read() as connection:
            living = collections.all_collections(connection)
        ids = {found.id for found in living}
        if self._known - ids:
            self._service.keeper.sweep_deleted()
        self._known = ids
        return any([self._guarded(work, found) for found in living])

    def _guarded(
        self, work: Callable[[Collection], bool], found: Collection, rest_seconds: float = RETRY_SECONDS
    ) -> bool:
        key = (work.__name__, found.id, found.encoder_id)
        if self._resting.get(key, 0.0) > monotonic():
            return False
        try:
            return work(found)
        except (SearchError, OSError) as error:
            log.warning("caches and token states of %s stay as they are: %s", found.name, error)
        except Exception:
            # Searches go on without caches, and tasks must go on too.
            log.exception("caches and token states of %s stay as they are", found.name)
        self._resting[key] = monotonic() + rest_seconds
        return False

    def _do_task(self, kinds: Sequence[str] = tasks.OF_WORKERS) -> bool:
        service = self._service
        with service.database.read() as connection:
            if not tasks.waiting(connection, kinds):
                return False
        with service.database.write() as connection:
            task = tasks.take(connection, service.clock(), kinds)
        if task is None:
            return False
        try:
            with self._given_back_on_stop(task):
                failure = self._failure(task)
        except Canceled:
            log.info("task %s was canceled", task.id)
        except Stopped:
            self._settle(lambda connection: tasks.put_back(connection, task.id))
        except PASSING:
            self._settle(lambda connection: tasks.put_back(connection, task.id))
            raise
        else:
            self._end(task, failure)
        return True

    @contextmanager
    def _given_back_on_stop(self, task: TaskInfo) -> Iterator[None]:
        """Give a task back the moment the worker is told to stop, not when its batch at hand is stored.

        One batch may take minutes and whoever stops the worker kills it after seconds: the task would
        pass for one that kills its workers, and in the end be given up.
        """
        done = Event()

        def watch() -> None:
            while not done.is_set():
                if self.stop.wait(POLL_SECONDS):
                    return self._put_back(task)

        watching = Thread(target=watch, name="task-watch", daemon=True)
        watching.start()
        try:
            yield
        finally:
            done.set()
            watching.join()

    def _put_back(self, task: TaskInfo) -> None:
        try:
            with self._service.database.write() as connection:
                tasks.put_back(connection, task.id)
        except PASSING as error:
            log.warning("task %s could not be put back: %s", task.id, error)

    def _failure(self, task: TaskInfo) -> dict[str, str] | None:
        """Work on a task; return what it failed by, if it did."""
        try:
            if task.kind == tasks.INGEST:
                return self._ingest(task)
            done = {tasks.MAPPING: self._map, tasks.EVALUATION: self._evaluate}
            done.get(task.kind, self._learn)(task)
            return None
        except (Canceled, Stopped, *PASSING):
            raise
        except SearchError as error:
            return {"code": error.code, "detail": str(error)}
        except Exception:
            log.exception("task %s failed", task.id)
            return {"code": "internal_error", "detail": "the task failed; the log has the cause"}

    def _end(self, task: TaskInfo, failure: dict[str, str] | None) -> None:
        state: TaskState = "failed" if failure else "succeeded"
        now = self._service.clock()
        self._settle(lambda connection: tasks.finish(connection, task.id, state, failure, now))

    def _settle(self, write: Write) -> None:
        """Write down how a task ended; what cannot be written now is owed until it can."""
        self._owed.append(write)
        self._write_owed()

    def _write_owed(self) -> None:
        while self._owed:
            with self._service.database.write() as connection:
                self._owed[0](connection)
            self._owed.pop(0)

    def _ingest(self, task: TaskInfo) -> dict[str, str] | None:
        """Ingest what was uploaded; return why that was in vain, where nothing of it could be stored."""
        service = self._service
        with service.database.read() as connection:
            found = collections.get(connection, task.collection)
            uploads = tasks.uploads(connection, task.id)
        pipeline = service.pipeline(found)
        with Ingest(
            pipeline, RecordFields(), self._noting(task), service.settings.upload_bytes_max
        ) as ingest:
            for upload in uploads:
                with self._opened(upload) as stream:
                    ingest.stream(stream, upload.name, upload.name)
        if ingest.progress.documents or not ingest.progress.refused:
            return None
        told = "nothing could be stored, since all of it was refused; problems has the reasons"
        return {"code": ALL_REFUSED, "detail": told}

    def _learn(self, task: TaskInfo) -> None:
        """Fit an encoder on a collection, or have it switch to another."""
        asked, minding = task.options or {}, self._minding_others()
        if task.kind == tasks.SWITCHING:
            name = asked.get("judgements")
            summary = switch(
                self._service,
                task.collection,
                asked["encoder"],
                None if name is None else kept(self._service, task.collection, name),
                minding,
                force=asked["force"],
                task=task.id,
            )
            with self._service.database.write() as connection:
                tasks.report(connection, task.id, asdict(summary))
        elif asked["encoder"] == IMPORTED:
            with self._service.database.read() as connection:
                (upload,) = tasks.uploads(connection, task.id)
            with self._opened(upload) as stream:
                import_vectors(self._service, task.collection, stream, minding, task.id)
        else:
            fit(
                self._service,
                task.collection,
                asked["encoder"],
                asked["seed"],
                minding,
                task.id,
                learn_on=asked.get("continue", False),
                fields=asked.get("fields", ()),
            )

    def _map(self, task: TaskInfo) -> None:
        """Draw the map of a task."""
        minding = self._minding_others()

        def note(step: Step) -> None:
            minding(step)
            with self._service.database.write() as connection:
                if not tasks.note_progress(connection, task.id, done=0, stored=0, unchanged=0, problems=[]):
                    raise Canceled

        self._service.maps.draw(task.collection, MapRequest(**(task.options or {}), points=0), note)

    def _evaluate(self, task: TaskInfo) -> None:
        """Measure the systems of a task on judgements of its collection."""
        asked = task.options or {}
        note = noted(self._service, task.id, asked["systems"], self._minding_others())
        measure_systems(self._service, task.collection, asked["judgements"], asked["systems"], note, task.id)

    def _minding_others(self) -> Callable[[Step], None]:
        """Return what a long task calls now and then: what is uploaded meanwhile does not wait for it."""
        kept = monotonic()

        def note(_: Step) -> None:
            nonlocal kept
            while not self.stop.is_set() and self._do_task((tasks.INGEST,)):
                pass
            if self.stop.is_set():
                raise Stopped
            if monotonic() - kept > KEEP_SECONDS:
                self._for_each(self._keep)
                kept = monotonic()

        return note

    def _opened(self, upload: tasks.Upload) -> BinaryIO:
        try:
            with self._service.database.read() as connection:
                return tasks.opened(connection, upload)
        except OSError as error:
            raise StorageFull(
                f"the temporary folder cannot take an upload of {upload.bytes} bytes: {error.strerror}"
            ) from error

    def _noting(self, task: TaskInfo) -> Callable[[Progress], None]:
        kept = monotonic()

        def note(progress: Progress) -> None:
            nonlocal kept
            with self._service.database.write() as connection:
                going_on = tasks.note_progress(
                    connection,
                    task.id,
                    done=progress.bytes_read,
                    stored=progress.created + progress.updated,
                    unchanged=progress.unchanged,
                    problems=progress.problems,
                )
            if self.stop.is_set():
                raise Stopped
            if not going_on:
                raise Canceled
            if monotonic() - kept > KEEP_SECONDS:
                # A long task must not let the part that searches scan one by one grow without end.
                self._for_each(self._keep)
                kept = monotonic()

        return note
