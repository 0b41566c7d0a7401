"""Work that needs torch, in a process that lives and dies with it; both ends of the wire.

torch and transformers take hundreds of megabytes and seconds to import, so no process that serves imports
them: ``python -m MODULE`` does, started here.  The child speaks JSON lines on its standard output: steps,
and at most one deliberate failure, which is raised here as the same class with the same sentence.
Whatever libraries print goes to a log that is shown only if the child dies of a bug.  The child's standard
input is a pipe that nothing is written to: the kernel closes it when the parent dies, however it dies, and
the child ends, so that no orphan writes into a folder that the next run uses.
"""

import errno
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, TextIO

from search.errors import SearchError, StorageFull

FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Step:
    """One named part of the work, from 1 to ``total``; 0 while it waits for another process."""

    name: str
    number: int
    total: int


Progress = Callable[[Step], None]


class Killed(Exception):
    """The child was ended by a signal, often for want of memory; the argument is its number."""


class Channel:
    """The child's end: JSON lines to the parent; what libraries print is kept out of it."""

    def __init__(self) -> None:
        self._stream: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        if stat.S_ISFIFO(os.fstat(0).st_mode):
            threading.Thread(target=_end_with_parent, daemon=True).start()

    def step(self, step: Step) -> None:
        """Report that a step begins."""
        self._send({"step": asdict(step)})

    def failure(self, error: SearchError) -> None:
        """Report the failure that ends the work."""
        self._send({"failure": {"code": error.code, "message": str(error), "details": error.details}})

    def _send(self, message: dict[str, Any]) -> None:
        print(json.dumps(message), file=self._stream, flush=True)


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


@contextmanager
def reported(channel: Channel, full: str) -> Iterator[None]:
    """End the child with status 1 after a deliberate failure in the block, which is told to the parent.

    Args:
        channel: to the parent.
        full: what to say where the disk is full.
    """
    try:
        yield
    except SearchError as error:
        channel.failure(error)
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        channel.failure(StorageFull(full))
        sys.exit(1)


def run_child(module: str, arguments: Sequence[str], progress: Progress) -> None:
    """Run ``python -m module`` to its end and report its steps.

    Raises:
        SearchError: the failure that the child reported.
        Killed: a signal ended it.
        RuntimeError: it died of a bug; the message has what it printed.
    """
    # -P: a folder called "search" where the user happens to stand must not be imported.
    command = [sys.executable, "-P", "-m", module, *arguments]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, encoding="utf-8"
        ) as child,
    ):
        try:
            failure = _follow(_messages(child.stdout), progress)
            status = child.wait()
        except BaseException:
            child.kill()
            raise
        if failure:
            raise failure
        if status < 0:
            raise Killed(-status)
        if status:
            log.seek(0)
            raise RuntimeError(f"{module} failed with status {status}:\n{log.read()}")


def _messages(stream: IO[str] | None) -> Iterator[Mapping[str, Any]]:
    for line in stream or ():
        yield json.loads(line)


def _follow(messages: Iterator[Mapping[str, Any]], progress: Progress) -> SearchError | None:
    failure = None
    for message in messages:
        if "step" in message:
            progress(Step(**message["step"]))
        else:
            failure = _rebuilt(**message["failure"])
    return failure


def _rebuilt(code: str, message: str, details: Mapping[str, Any]) -> SearchError:
    kinds = {kind.code: kind for kind in SearchError.__subclasses__()}
    return kinds[code](message, **details)
