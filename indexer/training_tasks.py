"""A training as a task: one at a time in a data folder, its steps written down, canceled when told to.

Whatever learns (attention in ``learning.py``, encoders in ``fitting.py``) runs inside these two.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import sleep
from typing import IO

from indexer.records import TaskState
from indexer.service import Service
from indexer.store import tasks
from indexer.store.collections import Collection
from indexer.store.tasks import Canceled
from search.child import Step
from search.errors import SearchError

Note = Callable[[Step], None]


POLL_SECONDS = 0.3


@contextmanager
def alone(service: Service, note: Note) -> Iterator[None]:
    """Let one training of a data folder go on at a time; one that was killed has left its task."""
    with (service.settings.home / "training.lock").open("w") as lock:
        while not _locked(lock):
            note(Step("waiting for another training", 0, 1))
            sleep(POLL_SECONDS)
        with service.database.write() as connection:
            told = "the training was killed; train again"
            tasks.give_up(connection, tasks.TRAINING, told, service.clock())
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def noted(service: Service, number: int, steps: Sequence[str], note: Note) -> Note:
    """Return what writes down how far a task has come, a hundredth of a step at a time.

    Raises:
        Canceled: (what is returned) the task was canceled.
    """
    written = 0

    def step(come: Step) -> None:
        nonlocal written
        note(come)
        done = tasks.PARTS * steps.index(come.name) + tasks.PARTS * come.number // max(come.total, 1)
        if done == written:
            return
        written = done
        with service.database.write() as connection:
            if not tasks.note_progress(connection, number, done=done, stored=0, unchanged=0, problems=[]):
                raise Canceled

    return step


@contextmanager
def as_task(service: Service, found: Collection, steps: Sequence[str], note: Note) -> Iterator[Note]:
    """Note a training as a task; yield what writes its steps down."""
    with service.database.write() as connection:
        number = tasks.begin(
            connection, tasks.TRAINING, found.name, tasks.PARTS * len(steps), service.clock()
        )
    step = noted(service, number, steps, note)

    def end(failure: dict[str, str] | None) -> None:
        with service.database.write() as connection:
            state: TaskState = "failed" if failure else "succeeded"
            tasks.finish(connection, number, state, failure, service.clock())

    try:
        yield step
    except SearchError as error:
        end({"code": error.code, "detail": str(error)})
        raise
    except Canceled:
        raise
    except KeyboardInterrupt:
        with service.database.write() as connection:
            tasks.cancel(connection, number, service.clock())
        raise
    except BaseException:
        end({"code": "internal_error", "detail": "the training failed"})
        raise
    end(None)


def steps_of_task(
    service: Service, found: Collection, steps: Sequence[str], note: Note, task: int | None
) -> AbstractContextManager[Note]:
    """Return what writes the steps of a task down: of one that a worker has taken, or of a new one (None)."""
    if task is None:
        return as_task(service, found, steps, note)
    return nullcontext(noted(service, task, steps, note))
