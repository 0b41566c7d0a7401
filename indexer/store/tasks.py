"""Tasks and the uploads they work on.

An upload is acknowledged when its bytes are committed here, so a task survives whatever happens to the
process that took it or works on it.  Only the holder of the cache lock works on tasks; a task that is
found half done when the lock changes hands is simply begun again, and skips what it has stored.
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, BinaryIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.records import Problem, TaskInfo, TaskState, UploadedFile
from indexer.store.storable import is_text
from indexer.store.tables import TaskRow, UploadChunkRow, UploadRow
from search.encoders.fitted.catalog import IMPORTED
from search.errors import TooLarge, UnknownTask

INGEST = "ingest"
FITTING = "fitting"
"""An encoder is fit on a collection; ``options`` say which."""
SWITCHING = "switching"
"""A collection goes over to another encoder; ``options`` say which."""
MAPPING = "mapping"
"""A map of a collection is drawn; ``options`` say which."""
TRAINING = "training"
"""Done by the command that began it, never by a worker."""
EVALUATION = "evaluation"
"""Systems are measured on judgements; ``options`` say which."""
OF_WORKERS = (INGEST, FITTING, SWITCHING, MAPPING, EVALUATION)
PARTS = 100
"""In how many parts the progress of each step of a training is told."""
CHUNK_BYTES = 1024 * 1024
ATTEMPTS_MAX = 3
"""A task whose worker died this often, storing nothing new, is what kills it, and is given up."""

_SPOOLED_BYTES = 4 * CHUNK_BYTES


class Canceled(Exception):
    """The task was canceled while it ran; what it has stored stays."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored file of a task."""

    id: int
    name: str
    bytes: int


def enqueue_uploads(
    connection: Connection, collection: str, files: Iterable[UploadedFile], bytes_max: int, now: datetime
) -> int:
    """Store files and a task to ingest them; return the task's number.

    Raises:
        TooLarge: a file is larger than ``bytes_max``; nothing is stored.
    """
    task_id: int = connection.execute(
        sa.insert(TaskRow)
        .values(kind=INGEST, collection=collection, state="enqueued", problems=[], created_at=now)
        .returning(TaskRow.id)
    ).scalar_one()
    total = sum(_store_upload(connection, task_id, file, bytes_max) for file in files)
    connection.execute(sa.update(TaskRow).where(TaskRow.id == task_id).values(total=total))
    return task_id


def _store_upload(connection: Connection, task_id: int, file: UploadedFile, bytes_max: int) -> int:
    upload_id: int = connection.execute(
        sa.insert(UploadRow).values(task_id=task_id, name=file.name, bytes=0).returning(UploadRow.id)
    ).scalar_one()
    size = 0
    for ordinal, data in enumerate(iter(lambda: file.stream.read(CHUNK_BYTES), b"")):
        size += len(data)
        if size > bytes_max:
            raise TooLarge(
                f"{file.name!r} is larger than {bytes_max} bytes; split it, or give it to the shell",
                name=file.name,
                bytes_max=bytes_max,
            )
        chunk = {"upload_id": upload_id, "ordinal": ordinal, "data": data}
        connection.execute(sa.insert(UploadChunkRow).values(**chunk))
    connection.execute(sa.update(UploadRow).where(UploadRow.id == upload_id).values(bytes=size))
    return size


def get(connection: Connection, task_id: int) -> TaskInfo:
    """Return a task; raise ``UnknownTask`` when there is none of this number."""
    row = connection.execute(sa.select(TaskRow.__table__).where(TaskRow.id == task_id)).one_or_none()
    if row is None:
        raise UnknownTask(
            f"there is no task {task_id}; the list of tasks shows those there are", task=task_id
        )
    return _info(row)


def newest(connection: Connection, collection: str | None, limit: int) -> list[TaskInfo]:
    """Return the newest tasks first; of a collection whose name no database can hold there are none."""
    if collection is not None and not is_text(collection):
        return []
    query = sa.select(TaskRow.__table__).order_by(TaskRow.id.desc()).limit(limit)
    if collection is not None:
        query = query.where(TaskRow.collection == collection)
    return [_info(row) for row in connection.execute(query)]


def begin_again(connection: Connection, now: datetime) -> None:
    """Enqueue tasks whose worker died, and give up those that got no further in their last attempts."""
    left = sa.and_(TaskRow.state == "processing", TaskRow.kind.in_(OF_WORKERS))
    connection.execute(sa.update(TaskRow).where(left).values(attempts=TaskRow.attempts + 1))
    told = {"code": "worker_died", "detail": f"the worker died {ATTEMPTS_MAX} times while doing this task"}
    given_up = sa.update(TaskRow).where(left, TaskRow.attempts >= ATTEMPTS_MAX)
    connection.execute(given_up.values(state="failed", error=told, finished_at=now))
    failed = sa.select(TaskRow.id).where(TaskRow.state == "failed")
    connection.execute(sa.delete(UploadRow).where(UploadRow.task_id.in_(failed)))
    connection.execute(sa.update(TaskRow).where(left).values(state="enqueued"))


def enqueue_fit(
    connection: Connection, collection: str, options: Mapping[str, Any], total: int, now: datetime
) -> TaskInfo:
    """Enqueue the fit of an encoder; ``total`` is in what its progress counts."""
    return enqueue(connection, FITTING, collection, options, total, now)


def enqueue_import(
    connection: Connection,
    collection: str,
    file: UploadedFile,
    bytes_max: int,
    total: int,
    now: datetime,
) -> TaskInfo:
    """Store a file and a task to make an encoder of it; raise ``TooLarge`` as ``enqueue_uploads`` does."""
    task = enqueue_fit(connection, collection, {"encoder": IMPORTED, "seed": 0}, total, now)
    _store_upload(connection, task.id, file, bytes_max)
    return task


def enqueue(
    connection: Connection,
    kind: str,
    collection: str,
    options: Mapping[str, Any],
    total: int,
    now: datetime,
) -> TaskInfo:
    """Enqueue a task without uploads; ``total`` is in what its progress counts."""
    values = {"kind": kind, "collection": collection, "options": dict(options)}
    made = sa.insert(TaskRow).values(**values, state="enqueued", total=total, problems=[], created_at=now)
    return get(connection, connection.execute(made.returning(TaskRow.id)).scalar_one())


def report(connection: Connection, task_id: int, came_to: dict[str, Any]) -> None:
    """Write down what a task came to."""
    connection.execute(sa.update(TaskRow).where(TaskRow.id == task_id).values(report=came_to))


def begin(connection: Connection, kind: str, collection: str, total: int, now: datetime) -> int:
    """Note a task that its caller works on from this moment on; return its number."""
    values = {"kind": kind, "collection": collection, "state": "processing", "total": total, "problems": []}
    made = sa.insert(TaskRow).values(**values, created_at=now, started_at=now).returning(TaskRow.id)
    return int(connection.execute(made).scalar_one())


def give_up(connection: Connection, kind: str, detail: str, now: datetime) -> None:
    """End the tasks of a kind that are left half done; nobody works on any of them."""
    left = sa.update(TaskRow).where(TaskRow.state == "processing", TaskRow.kind == kind)
    told = {"code": "worker_died", "detail": detail}
    connection.execute(left.values(state="failed", error=told, finished_at=now))


def put_back(connection: Connection, task_id: int) -> None:
    """Enqueue a task again that could not be ended now for no fault of its own."""
    row = sa.update(TaskRow).where(TaskRow.id == task_id, TaskRow.state == "processing")
    connection.execute(row.values(state="enqueued"))


def waiting(connection: Connection, kinds: Sequence[str] = OF_WORKERS) -> bool:
    """Return whether there is a task to take, without locking anything."""
    enqueued = sa.select(TaskRow.id).where(TaskRow.state == "enqueued", TaskRow.kind.in_(kinds))
    return connection.execute(enqueued.limit(1)).first() is not None


def take(connection: Connection, now: datetime, kinds: Sequence[str] = OF_WORKERS) -> TaskInfo | None:
    """Take the oldest enqueued task of some kinds, if there is one."""
    enqueued = (TaskRow.state == "enqueued", TaskRow.kind.in_(kinds))
    oldest = sa.select(TaskRow.id).where(*enqueued).order_by(TaskRow.id).limit(1)
    task_id = connection.execute(oldest.with_for_update(skip_locked=True)).scalar()
    if task_id is None:
        return None
    taken = {"state": "processing", "started_at": now}
    fresh = {"done": 0, "stored": 0, "unchanged": 0, "problems": []}
    connection.execute(sa.update(TaskRow).where(TaskRow.id == task_id).values(**taken, **fresh))
    return get(connection, task_id)


def uploads(connection: Connection, task_id: int) -> list[Upload]:
    """Return the files of a task."""
    query = sa.select(UploadRow.id, UploadRow.name, UploadRow.bytes).where(UploadRow.task_id == task_id)
    return [Upload(*row) for row in connection.execute(query.order_by(UploadRow.id))]


def opened(connection: Connection, upload: Upload) -> BinaryIO:
    """Return the bytes of an upload as a stream, on disk when they are many."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES)
    for ordinal in range(-(-upload.bytes // CHUNK_BYTES)):
        query = sa.select(UploadChunkRow.data).where(
            UploadChunkRow.upload_id == upload.id, UploadChunkRow.ordinal == ordinal
        )
        spool.write(connection.execute(query).scalar_one())
    spool.seek(0)
    return spool  # type: ignore[return-value]  # a SpooledTemporaryFile is a BinaryIO in all but name


def note_progress(
    connection: Connection,
    task_id: int,
    *,
    done: int,
    stored: int,
    unchanged: int,
    problems: Sequence[Problem],
) -> bool:
    """Write down how far a task has come; return False when it was canceled."""
    row = sa.update(TaskRow).where(TaskRow.id == task_id, TaskRow.state == "processing")
    values: dict[str, Any] = {"done": done, "stored": stored, "unchanged": unchanged}
    if stored:
        values["attempts"] = 0  # this attempt came further than the one before
    told = [asdict(problem) for problem in problems]
    return connection.execute(row.values(problems=told, **values)).rowcount == 1


def finish(
    connection: Connection, task_id: int, state: TaskState, error: dict[str, Any] | None, now: datetime
) -> None:
    """End a task that is being worked on and let its uploads go; leave one alone that was put back."""
    row = sa.update(TaskRow).where(TaskRow.id == task_id, TaskRow.state == "processing")
    # What was refused was not read to its end, and yet is done.
    done = TaskRow.total if state == "succeeded" else TaskRow.done
    if connection.execute(row.values(state=state, done=done, error=error, finished_at=now)).rowcount:
        connection.execute(sa.delete(UploadRow).where(UploadRow.task_id == task_id))


def cancel(connection: Connection, task_id: int, now: datetime) -> TaskInfo:
    """Cancel a task that has not ended; what it has stored stays stored."""
    open_states = TaskRow.state.in_(["enqueued", "processing"])
    row = sa.update(TaskRow).where(TaskRow.id == task_id, open_states)
    if connection.execute(row.values(state="canceled", finished_at=now)).rowcount:
        connection.execute(sa.delete(UploadRow).where(UploadRow.task_id == task_id))
    return get(connection, task_id)


def cancel_all(connection: Connection, collection: str, now: datetime) -> None:
    """Cancel the tasks of a collection that is about to be deleted."""
    open_tasks = sa.select(TaskRow.id).where(
        TaskRow.collection == collection, TaskRow.state.in_(["enqueued", "processing"])
    )
    for task_id in connection.execute(open_tasks).scalars().all():
        cancel(connection, task_id, now)


def _info(row: Any) -> TaskInfo:
    columns = dict(row._mapping)
    problems = [Problem(**problem) for problem in columns.pop("problems")]
    del columns["attempts"]
    return TaskInfo(problems=problems, **columns)
