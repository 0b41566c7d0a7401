"""One keeper of the caches at a time: others are told who it is, and its death frees the lock."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from indexer.cache_lock import CacheLock, Holder
from search.errors import CacheLocked

NOW = datetime(2024, 5, 1, 12, 30, 0, 987654, tzinfo=UTC)
SINCE = "2024-05-01T12:30:00+00:00"

HOLDING = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from indexer.cache_lock import CacheLock
with CacheLock(Path(sys.argv[1])).held("xunyi 索引", datetime(2024, 5, 1, 12, 30, tzinfo=UTC)):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(home):
    """Let another process hold the lock of ``home``."""
    command = [sys.executable, "-c", HOLDING, home]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def lock(tmp_path):
    return CacheLock(tmp_path)


def assert_free(lock):
    with lock.held("test", NOW):
        pass


def test_who_comes_second_is_told_who_was_first(lock, tmp_path):
    with another_process(tmp_path) as first:
        assert lock.holder() == Holder(first.pid, "xunyi 索引", SINCE)
        with pytest.raises(CacheLocked) as refusal, lock.held("second", NOW):
            raise AssertionError("the lock was given out twice")
        assert lock.holder() == Holder(first.pid, "xunyi 索引", SINCE)
    assert str(refusal.value) == (
        f"the caches are kept by process {first.pid} (xunyi 索引, since {SINCE}); "
        "searches go on and are right; leave the caches to that process, or stop it if it is stuck"
    )
    assert refusal.value.code == "cache_locked"
    assert refusal.value.details == {"process": first.pid, "doing": "xunyi 索引", "since": SINCE}


def test_a_killed_holder_leaves_the_lock_free(lock, tmp_path):
    with another_process(tmp_path) as first:
        first.kill()  # kill -9
        first.wait()
        assert lock.holder() is None
        with lock.held("second", NOW):
            assert lock.holder() == Holder(os.getpid(), "second", SINCE)


def test_nobody_holds_a_lock_that_was_given_back(lock, tmp_path):
    assert lock.holder() is None
    assert not list(tmp_path.iterdir())  # asking makes nothing
    with lock.held("first", NOW):
        assert lock.holder() == Holder(os.getpid(), "first", SINCE)
    assert lock.holder() is None
    with pytest.raises(ZeroDivisionError), lock.held("failing", NOW):
        _ = 1 / 0
    assert_free(lock)


def test_a_home_that_is_not_there_yet_is_made(tmp_path):
    lock = CacheLock(tmp_path / "deep" / "home")
    assert lock.holder() is None
    assert_free(lock)
    assert (tmp_path / "deep" / "home").stat().st_mode & 0o777 == 0o700


def test_threads_of_one_process_exclude_one_another_too(lock):
    with lock.held("first", NOW), pytest.raises(CacheLocked, match=f"process {os.getpid()} .first"):
        assert_free(lock)


def test_a_long_description_leaves_nothing_behind_in_a_short_one(lock):
    with lock.held("a very long description " * 20, NOW):
        pass
    with lock.held("x", NOW):
        assert lock.holder() == Holder(os.getpid(), "x", SINCE)


@pytest.mark.parametrize("written", ["", "{", '{"process": 1}', "[]"])
def test_a_holder_that_has_not_described_itself_yet_is_a_holder(lock, tmp_path, written):
    assert_free(lock)
    (path,) = tmp_path.iterdir()
    path.write_text(written)
    with path.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert lock.holder() == Holder(0, "just started", "this moment")
        with pytest.raises(CacheLocked, match="just started, since this moment"):
            assert_free(lock)


def test_whoever_asks_does_not_disturb_whoever_takes(lock, tmp_path):
    """Asking takes a shared lock for an instant."""
    stop = threading.Event()
    told = set()

    def ask():
        while not stop.is_set():
            told.add(lock.holder())
            time.sleep(0.0005)

    askers = [threading.Thread(target=ask) for _ in range(3)]
    for asker in askers:
        asker.start()
    try:
        for number in range(60):
            with lock.held(f"round {number}", NOW):
                assert lock.holder() in (Holder(os.getpid(), f"round {number}", SINCE),)
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert len(told) > 1


def test_asking_does_not_take_the_lock_from_its_holder(lock, tmp_path):
    with another_process(tmp_path) as first:
        for _ in range(200):
            assert lock.holder().process == first.pid
        with pytest.raises(CacheLocked):
            assert_free(lock)
