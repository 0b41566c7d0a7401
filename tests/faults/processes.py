"""The program as its users run it: processes that are started, watched, stopped and killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException

import psutil

PATIENCE_SECONDS = 90
"""How long anything that must happen may take on a machine that does other things too."""
PAUSE_SECONDS = 0.01
STARTED = []
"""What the running test has started; nothing of it outlives the test."""


def started(home, *arguments, **options):
    """Start a command on a home."""
    command = [sys.executable, "-m", "indexer.cli", *map(str, arguments), "--home", str(home)]
    usual = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    process = subprocess.Popen(command, **usual | options)
    STARTED.append(process)
    return process


def ended(process):
    """Return exit status, output and error output of a process that ends by itself."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


def told(err):
    """Return what a command told at its end: the last line, which names no bar."""
    return err.strip().splitlines()[-1]


def soon(condition, pause=PAUSE_SECONDS):
    """Return the first true value of ``condition``."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(pause)
    raise TimeoutError(f"nothing came of it in {PATIENCE_SECONDS} s")


def killed(process):
    """Kill a process at once, and wait until it is gone."""
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)


def end_all():
    """Kill what a test that failed has left running."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            killed(process)


class Served:
    """``xunyi serve`` on a home, with a worker and one web process; a context manager."""

    def __init__(self, home, *arguments, **options):
        self.port = free_port()
        self.log = home.parent / f"serve-{self.port}.log"
        with self.log.open("wb") as log:
            command = ["serve", "--port", self.port, *arguments]
            self.process = started(home, *command, stdout=log, stderr=log, start_new_session=True, **options)

    def __enter__(self):
        self.get("/readyz")
        return self

    def __exit__(self, *_):
        """Stop it if it runs, and leave nothing behind."""
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_SECONDS)
        finally:
            for process in psutil.wait_procs(family, timeout=1)[1]:
                process.kill()

    def family(self):
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def worker(self):
        """Return the worker child."""
        return soon(lambda: next((child for child in self.children() if is_worker(child)), None))

    def web(self):
        """Return the web process."""
        return soon(lambda: next((child for child in self.children() if not is_worker(child)), None))

    def children(self):
        return [child for child in self.family()[1:] if is_alive(child)]

    def kill_all(self):
        """Kill every process of it, as the end of a machine would."""
        for process in self.family():
            process.kill()
        self.process.wait(PATIENCE_SECONDS)

    def ask(self, method, path, body=None, kind="application/json"):
        """Return status and JSON of an answer.

        Raises:
            OSError, HTTPException: the service went away before it answered.
        """
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, data, {"Content-Type": kind} if data is not None else {})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(content) if content else None

    def asked(self, method, path, body=None, kind="application/json"):
        """Ask until there is an answer: a web process that was killed is started again."""

        def answer():
            if self.process.poll() is not None:
                raise ChildProcessError(f"serve has ended with status {self.process.returncode}")
            try:
                return self.ask(method, path, body, kind)
            except (OSError, HTTPException):
                return None

        return soon(answer, pause=0.05)

    def get(self, path):
        """Return the JSON of a successful answer."""
        status, found = self.asked("GET", path)
        assert status == 200, found
        return found

    def search(self, collection, **body):
        status, found = self.asked("POST", f"/v1/collections/{collection}/search", body)
        assert status == 200, found
        return found

    def upload(self, collection, *paths):
        """Send files; return the task that was made of them."""
        status, task = self.ask("POST", f"/v1/collections/{collection}/documents", *multipart(paths))
        assert status == 202, task
        return task

    def task_ended(self, number):
        """Return a task once it has ended."""

        def task():
            found = self.get(f"/v1/tasks/{number}")
            return found if found["finished_at"] else None

        return soon(task, pause=0.1)


def multipart(paths):
    """Return the body of a form with files, and its content type."""
    boundary = "----a-boundary-that-stands-in-no-text"
    parts = []
    for path in paths:
        head = f'Content-Disposition: form-data; name="file"; filename="{path.name}"\r\n\r\n'
        parts.append(f"--{boundary}\r\n{head}".encode() + path.read_bytes() + b"\r\n")
    return b"".join([*parts, f"--{boundary}--\r\n".encode()]), f"multipart/form-data; boundary={boundary}"


def is_worker(process):
    try:
        return "--child-of" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def is_alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port():
    """Return a port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def paused(process):
    """Stop a process as if it were stuck; it holds all it has."""
    os.kill(process.pid, signal.SIGSTOP)


def resumed(process):
    os.kill(process.pid, signal.SIGCONT)
