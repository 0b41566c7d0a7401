"""``xunyi serve``: gunicorn in front, one worker child behind, each started again when it dies.

This process only watches.  It imports neither models nor the web edge: each web process opens its own
after the fork, and the worker is a child of its own program, which dies with this one.
"""

import logging
import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.util import import_app

log = logging.getLogger(__name__)

WEB = "web.app:create_app()"
THREADS = 4
TIMEOUT_SECONDS = 120
RESTART_SECONDS = 1.0
STOP_SECONDS = 10.0


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


def serve(host: str, port: int, workers: int, environment: dict[str, str], with_worker: bool) -> None:
    """Serve until told to stop; ``environment`` carries the settings to the processes."""
    os.environ.update(environment)
    children = WorkerChild(environment) if with_worker else None
    options = {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": "gthread",
        "threads": THREADS,
        "timeout": TIMEOUT_SECONDS,
        "graceful_timeout": int(STOP_SECONDS),
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
        self._environment = os.environ | environment
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="worker-watch", daemon=True)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the worker, and watch over it."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the worker, at first politely."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(STOP_SECONDS)
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            command = [sys.executable, "-m", "indexer.cli", "worker", "--child"]
            self._process = subprocess.Popen(command, env=self._environment, cwd=Path.cwd())
            status = self._process.wait()
            if not self._stopping.wait(RESTART_SECONDS):
                log.warning("the worker ended with status %s; it is started again", status)
