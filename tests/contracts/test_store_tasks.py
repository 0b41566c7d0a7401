"""Tasks and uploads on both databases: kept until their end, begun again, given up, canceled."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from indexer.records import Problem, TaskInfo, UploadedFile
from indexer.store import tasks
from indexer.store.tables import UploadChunkRow, UploadRow
from indexer.store.tasks import ATTEMPTS_MAX, CHUNK_BYTES
from search.errors import TooLarge, UnknownTask
from tests.contracts.stored import LATER, NOW

pytest_plugins = ["tests.contracts.databases"]

SIZE_MAX = 4 * CHUNK_BYTES


def enqueue(database, *contents, collection="notes"):
    files = [UploadedFile(f"文件 {n}.txt", io.BytesIO(content)) for n, content in enumerate(contents)]
    with database.write() as connection:
        return tasks.enqueue_uploads(connection, collection, files, SIZE_MAX, NOW)


def get(database, task_id):
    with database.read() as connection:
        return tasks.get(connection, task_id)


def take(database):
    with database.write() as connection:
        return tasks.take(connection, LATER)


def begin_again(database):
    with database.write() as connection:
        tasks.begin_again(connection, LATER)


def finish(database, task_id, state="succeeded", error=None):
    with database.write() as connection:
        tasks.finish(connection, task_id, state, error, LATER)


def note(database, task_id, **numbers):
    with database.write() as connection:
        known = {"done": 0, "stored": 0, "unchanged": 0, "problems": []} | numbers
        return tasks.note_progress(connection, task_id, **known)


def rows_in(database, table):
    with database.read() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_a_task_is_told_from_its_beginning_to_its_end(database):
    number = enqueue(database, b"ten bytes.", b"")
    waiting = TaskInfo(
        options=None,
        id=number,
        kind="ingest",
        collection="notes",
        state="enqueued",
        done=0,
        total=10,
        stored=0,
        unchanged=0,
        problems=[],
        error=None,
        report=None,
        created_at=NOW,
        started_at=None,
        finished_at=None,
    )
    assert get(database, number) == waiting
    assert take(database).state == "processing"
    assert take(database) is None
    problem = Problem("a.txt", "no_text", "nothing 在 it")
    assert note(database, number, done=7, stored=2, unchanged=1, problems=[problem])
    told = get(database, number)
    assert (told.done, told.stored, told.unchanged, told.problems) == (7, 2, 1, [problem])
    assert (told.started_at, told.finished_at) == (LATER, None)
    finish(database, number, "failed", {"code": "too_large", "detail": "…"})
    told = get(database, number)
    assert (told.state, told.error) == ("failed", {"code": "too_large", "detail": "…"})
    assert (told.finished_at, told.problems) == (LATER, [problem])
    assert rows_in(database, UploadRow) == rows_in(database, UploadChunkRow) == 0
    assert not note(database, number, done=10)


def test_uploads_come_back_byte_for_byte(database):
    large = bytes(range(256)) * (CHUNK_BYTES // 256) * 2 + b"and three chunks"
    exactly = b"\x00\xff" * (CHUNK_BYTES // 2)
    number = enqueue(database, large, b"", exactly, b"x")
    with database.read() as connection:
        kept = tasks.uploads(connection, number)
        assert [(upload.name, upload.bytes) for upload in kept] == [
            ("文件 0.txt", 2 * CHUNK_BYTES + 16),
            ("文件 1.txt", 0),
            ("文件 2.txt", CHUNK_BYTES),
            ("文件 3.txt", 1),
        ]
        for upload, content in zip(kept, (large, b"", exactly, b"x"), strict=True):
            with tasks.opened(connection, upload) as stream:
                assert stream.read() == content
    assert rows_in(database, UploadChunkRow) == 3 + 0 + 1 + 1
    assert get(database, number).total == len(large) + CHUNK_BYTES + 1


def test_a_file_over_the_limit_takes_its_whole_request_with_it(database):
    with pytest.raises(TooLarge, match=f"'文件 1.txt' is larger than {SIZE_MAX} bytes") as refusal:
        enqueue(database, b"small", b"x" * (SIZE_MAX + 1))
    assert refusal.value.details == {"name": "文件 1.txt", "bytes_max": SIZE_MAX}
    assert rows_in(database, UploadRow) == rows_in(database, UploadChunkRow) == 0
    assert take(database) is None
    assert get(database, enqueue(database, b"x" * SIZE_MAX)).total == SIZE_MAX


def test_tasks_are_taken_oldest_first_and_each_once(database):
    numbers = [enqueue(database, b"x") for _ in range(6)]
    with database.read() as connection:
        assert tasks.waiting(connection)
    assert take(database).id == numbers[0]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: take(database), range(8)))
    assert sorted(task.id for task in taken if task) == numbers[1:]
    with database.read() as connection:
        assert not tasks.waiting(connection)


def test_newest_tasks_first(database):
    numbers = [enqueue(database, b"x", collection=name) for name in ("a", "b", "a")]
    with database.read() as connection:
        assert [task.id for task in tasks.newest(connection, None, 2)] == numbers[:0:-1]
        assert [task.id for task in tasks.newest(connection, "a", 9)] == [numbers[2], numbers[0]]
        for nobody in ("none", "a\x00", "\ud800"):
            assert tasks.newest(connection, nobody, 9) == []
    for unknown in (0, -1, numbers[-1] + 1):
        with pytest.raises(UnknownTask, match=f"there is no task {unknown}"):
            get(database, unknown)


def test_a_task_left_half_done_is_begun_again(database):
    number = enqueue(database, b"x")
    take(database)
    note(database, number, done=1, stored=3, unchanged=2, problems=[Problem("a", "no_text", "x")])
    begin_again(database)
    assert get(database, number).state == "enqueued"
    task = take(database)
    assert (task.id, task.done, task.stored, task.unchanged, task.problems) == (number, 0, 0, 0, [])
    with database.read() as connection:
        assert [upload.bytes for upload in tasks.uploads(connection, number)] == [1]


def test_a_task_that_kills_its_worker_is_given_up(database):
    other, deadly = enqueue(database, b"x"), enqueue(database, b"x")
    take(database)
    finish(database, other)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        assert take(database).id == deadly
        begin_again(database)
        assert get(database, deadly).state == ("failed" if attempt == ATTEMPTS_MAX else "enqueued")
    told = get(database, deadly)
    assert told.error == {"code": "worker_died", "detail": "the worker died 3 times while doing this task"}
    assert told.finished_at == LATER
    assert take(database) is None
    assert rows_in(database, UploadRow) == rows_in(database, UploadChunkRow) == 0
    assert get(database, other).state == "succeeded"


def test_a_task_that_gets_on_is_never_given_up(database):
    number = enqueue(database, b"x")
    for attempt in range(2 * ATTEMPTS_MAX):
        take(database)
        note(database, number, stored=attempt + 1)
        begin_again(database)
        assert get(database, number).state == "enqueued"


def test_what_stopped_for_no_fault_of_its_own_is_no_attempt(database):
    number = enqueue(database, b"x")
    for _ in range(2 * ATTEMPTS_MAX):
        take(database)
        with database.write() as connection:
            tasks.put_back(connection, number)
        begin_again(database)
    assert get(database, number).state == "enqueued"


@pytest.mark.parametrize("taken", [False, True])
def test_a_canceled_task_stops_and_lets_its_uploads_go(database, taken):
    number, other = enqueue(database, b"x"), enqueue(database, b"y")
    if taken:
        take(database)
    with database.write() as connection:
        told = tasks.cancel(connection, number, LATER)
    assert (told.state, told.finished_at) == ("canceled", LATER)
    assert not note(database, number, done=1)  # the worker learns it here
    finish(database, number)
    begin_again(database)
    assert get(database, number).state == "canceled"
    assert take(database).id == other
    with database.read() as connection:
        assert tasks.uploads(connection, number) == []
        assert len(tasks.uploads(connection, other)) == 1


def test_the_tasks_of_a_deleted_collection_are_canceled_and_no_others(database):
    numbers = [enqueue(database, b"x", collection=name) for name in ("notes", "other", "notes", "notes")]
    take(database)
    finish(database, numbers[0])
    assert take(database).id == numbers[1]
    with database.write() as connection:
        tasks.cancel_all(connection, "notes", LATER)
    states = [get(database, number).state for number in numbers]
    assert states == ["succeeded", "processing", "canceled", "canceled"]
    assert rows_in(database, UploadRow) == 1


def test_a_task_that_has_ended_cannot_be_canceled(database):
    number = enqueue(database, b"x")
    take(database)
    finish(database, number)
    with database.write() as connection:
        told = tasks.cancel(connection, number, LATER + timedelta(days=1))
        assert (told.state, told.finished_at) == ("succeeded", LATER)
        with pytest.raises(UnknownTask):
            tasks.cancel(connection, number + 1, LATER)
