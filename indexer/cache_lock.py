"""One writer of caches for each home folder: an flock, freed by the kernel when its holder dies.

Truth may be written by any process; the database sees to that.  Only the caches have one keeper.
Whoever cannot have the lock leaves the work to its holder, and can say who that is.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from time import sleep
from typing import TextIO

from search.errors import CacheLocked

_NAME = "keeper.lock"
_TRIES = 4
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that keeps the caches, as it described itself."""

    process: int
    doing: str
    since: str

    def __str__(self) -> str:
        return f"process {self.process} ({self.doing}, since {self.since})"


class CacheLock:
    """The lock of one home folder; not to be shared between processes by a fork."""

    def __init__(self, home: Path) -> None:
        self._path = home / _NAME

    @contextmanager
    def held(self, doing: str, now: datetime) -> Iterator[None]:
        """Hold the lock while the block runs.

        Raises:
            CacheLocked: another process has it; the message names the process.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._path.open("a+", encoding="utf-8") as handle:
            if not _taken(handle):
                raise CacheLocked(self._told(), **self._facts())
            handle.truncate(0)
            json.dump(asdict(Holder(os.getpid(), doing, now.isoformat(timespec="seconds"))), handle)
            handle.flush()
            yield

    def holder(self) -> Holder | None:
        """Return who holds the lock at this moment; None when nobody does."""
        try:
            with self._path.open("r", encoding="utf-8") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _described(handle.read())
        except FileNotFoundError:
            pass
        return None

    def _facts(self) -> dict[str, object]:
        holder = self.holder()
        return asdict(holder) if holder else {}

    def _told(self) -> str:
        holder = self.holder()
        if holder is None:
            return "the caches were being kept by a process that has just ended; try again"
        return (
            f"the caches are kept by {holder}; searches go on and are right; "
            "leave the caches to that process, or stop it if it is stuck"
        )


def _taken(handle: TextIO) -> bool:
    """Try a few times: whoever asks who the holder is holds the lock itself for an instant."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sleep(_PAUSE_SECONDS)
        else:
            return True
    return False


def _described(text: str) -> Holder:
    """Read a holder's description, which is empty for the instant in which it is being written."""
    try:
        return Holder(**json.loads(text))
    except (json.JSONDecodeError, TypeError):
        return Holder(0, "just started", "this moment")
