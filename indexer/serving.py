"""``xunyi serve``: gunicorn in front, one worker child behind, each started again when it dies.

This process only watches.  It imports neither models nor the web edge: each web process opens its own
after the fork, and the worker is a child of its own program, which dies with this one.
"""

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.http import message
from gunicorn.util import import_app

from search.errors import InvalidInput

log = logging.getLogger(__name__)

WEB = "web.app:create_app()"
THREADS = 4
TIMEOUT_SECONDS = 120
RESTART_SECONDS = 0.5
RESTARTS_SECONDS_MAX = 30.0
"""A worker that dies again and again is started ever later, up to this."""
STOP_SECONDS = 10.0
REQUEST_LINE_BYTES = 256 * 1024
"""A question of 10,000 Chinese characters in an address; gunicorn by itself takes at most 8,190 bytes."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn told by arguments instead of by a command line and a file."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        """Take over the options."""
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Build the web edge, in a web process."""
        return import_app(WEB)


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that takes connections at an address.

    Raises:
        InvalidInput: nobody can, because another program does or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:  # the latter for a name that can be none
        reason = (getattr(error, "strerror", None) or "no such name").partition(" (")[0]
        raise InvalidInput(
            f"nothing can listen on {host}, port {port}: {reason}; choose another --host or --port", port=port
        ) from error


def serve(taken: socket.socket, workers: int, environment: dict[str, str], with_worker: bool) -> None:
    """Serve at ``taken`` until told to stop; ``environment`` carries the settings to the processes."""
    os.environ.update(environment)
    message.MAX_REQUEST_LINE = REQUEST_LINE_BYTES
    children = WorkerChild(os.environ | environment) if with_worker else None
    options = {
        "bind": f"fd://{taken.detach()}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": THREADS,
        "timeout": TIMEOUT_SECONDS,
        "graceful_timeout": int(STOP_SECONDS),
        "limit_request_line": REQUEST_LINE_BYTES,
        "loglevel": "warning",
        "proc_name": "xunyi",
        "control_socket_disable": True,
        "when_ready": lambda server: children.start() if children else None,
        "on_exit": lambda server: children.stop() if children else None,
    }
    Server(options).run()


class WorkerChild:
    """Keeps one worker process running."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._stopping = Event()
        self._starting = Lock()
        self._thread = Thread(target=self._watch, name="worker-watch", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None
        # A web process that is forked while the worker is being started would inherit the pipe over
        # which a child reports its start, and keep this process waiting at it.
        os.register_at_fork(
            before=self._starting.acquire,
            after_in_parent=self._starting.release,
            after_in_child=self._starting.release,
        )

    def start(self) -> None:
        """Start the worker, and watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker, at first politely."""
        with self._starting:
            self._stopping.set()
        if self._process is not None:
            self._process.terminate()
            self._thread.join(STOP_SECONDS)
            self._process.kill()
            self._thread.join()

    def _watch(self) -> None:
        pause = RESTART_SECONDS
        while process := self._started():
            began = monotonic()
            process.wait()
            pause = RESTART_SECONDS if monotonic() - began > RESTARTS_SECONDS_MAX else 2 * pause
            if not self._stopping.wait(min(pause, RESTARTS_SECONDS_MAX)):
                log.warning("the worker has ended; it is started again")

    def _started(self) -> subprocess.Popen[bytes] | None:
        """Start the worker; return None when it is not wanted any more."""
        command = [sys.executable, "-m", "indexer.cli", "worker", "--child-of", str(os.getpid())]
        with self._starting:
            if self._stopping.is_set():
                return None
            # A session of its own: Ctrl-C in a terminal reaches this process alone, which then stops both.
            self._process = subprocess.Popen(
                command, env=self._environment, cwd=Path.cwd(), start_new_session=True
            )
            return self._process
