"""What processes take of a machine, by the kernel's own account, and the running of xunyi as users do."""

import socket
import sys
from pathlib import Path
from subprocess import Popen
from threading import Event, Thread
from types import TracebackType
from typing import Self

import psutil

MEBIBYTE = 2**20


def xunyi(*arguments: str) -> list[str]:
    """Return the command line of a xunyi of this environment."""
    return [sys.executable, "-m", "indexer.cli", *arguments]


def family(process: int) -> list[psutil.Process]:
    """Return a process with all its living descendants."""
    parent = psutil.Process(process)
    return [parent, *parent.children(recursive=True)]


def status_bytes(process: int, field: str) -> int:
    """Return a size of ``/proc/PID/status`` in bytes, such as ``RssAnon`` or ``VmHWM``; 0 once it is gone."""
    try:
        lines = Path(f"/proc/{process}/status").read_text("utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else 0


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PeakMemory:
    """Watches a process with its descendants while it runs; a context manager."""

    def __init__(self, process: Popen[bytes], every_seconds: float = 0.05) -> None:
        self._process = process
        self._every_seconds = every_seconds
        self._stop = Event()
        self._thread = Thread(target=self._watch, daemon=True)
        self.anonymous = 0
        """Largest sum of RssAnon of all processes, in bytes."""
        self.resident = 0
        """Largest VmHWM of one process, in bytes; mapped files count in it."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._every_seconds):
            try:
                pids = [member.pid for member in family(self._process.pid)]
            except psutil.NoSuchProcess:
                return
            self.anonymous = max(self.anonymous, sum(status_bytes(pid, "RssAnon") for pid in pids))
            self.resident = max(self.resident, *(status_bytes(pid, "VmHWM") for pid in pids))
