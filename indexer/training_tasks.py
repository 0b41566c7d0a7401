"""A training as a task: one at a time in a data folder, its steps written down, canceled when told to.

Whatever learns (attention in ``learning.py``, encoders in ``fitting.py``) runs inside these two.
"""

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from indexer.records import TaskState
from indexer.service import Service
from indexer.store import tasks
from indexer.store.collections import Collection
from search.child import Step
from search.errors import SearchError

Note = Callable[[Step], None]


class Canceled(Exception):
    """The task was canceled while it ran; what is in use stays in use."""


@contextmanager
def alone(service: Service, note: Note) -> Iterator[None]:
    """Let one training of a data folder go on at a time; one that was killed has left its task."""
    with (service.settings.home / "training.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(Step("waiting for another training", 0, 1))
            fcntl.flock(lock, fcntl.LOCK_EX)
        with service.database.write() as connection:
            told = "the training was killed; train again"
            tasks.give_up(connection, tasks.TRAINING, told, service.clock())
        yield


@contextmanager
def as_task(service: Service, found: Collection, steps: Sequence[str], note: Note) -> Iterator[Note]:
    """Note a training as a task; yield what writes its steps down, a hundredth of the whole at a time."""
    with service.database.write() as connection:
        number = tasks.begin(connection, tasks.TRAINING, found.name, 100 * len(steps), service.clock())
    written = 0

    def step(come: Step) -> None:
        nonlocal written
        note(come)
        done = 100 * steps.index(come.name) + 100 * come.number // max(come.total, 1)
        if done == written:
            return
        written = done
        with service.database.write() as connection:
            if not tasks.note_progress(connection, number, done=done, stored=0, unchanged=0, problems=[]):
                raise Canceled

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
