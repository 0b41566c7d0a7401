"""What the shell shows on a terminal, and what a program that reads its output gets instead."""

import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios

import pytest

from indexer.cli import run

COLUMNS = 60
LONG = "The otter floats on its back and opens shells with a stone. " * 5
CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")

pytestmark = pytest.mark.usefixtures("models_opened_once")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files") / "a folder whose name is so long that every key is a long line"
    folder.mkdir()
    (folder / "otter.txt").write_text(LONG, "utf-8")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory, models_folder, folder):
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    assert run(["ingest", "--home", str(home), str(folder)]) == 0
    return home


def piped(home, *arguments):
    command = [sys.executable, "-m", "indexer.cli", *map(str, arguments), "--home", str(home)]
    narrow = os.environ | {"COLUMNS": str(COLUMNS)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=narrow)


def on_terminal(home, *arguments, given=b""):
    """Return what a command of its own leaves on a terminal of 60 columns."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "indexer.cli", *map(str, arguments), "--home", str(home)]
    usual = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | {"TERM": "xterm"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=terminal, stderr=terminal, env=usual
    ) as process:
        os.close(terminal)
        process.stdin.write(given)
        process.stdin.close()
        shown = read_all(controller)
    os.close(controller)
    return CONTROL.sub("", shown.decode()).replace("\r", "\n")


def read_all(controller):
    shown = b""
    while True:
        try:
            shown += (piece := os.read(controller, 65536))
        except OSError:  # the other end is closed
            return shown
        if not piece:
            return shown


def test_without_a_terminal_an_ingest_tells_one_line_and_draws_no_bar(home, folder):
    done = piped(home, "ingest", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"default: 1 unchanged \(0 passages, [\d.]+ s\)\n", done.stdout)


def test_without_a_terminal_no_line_is_wrapped_or_padded(home, tmp_path):
    home = shutil.copytree(home, tmp_path / "home", symlinks=True)
    shutil.rmtree(home / "caches")
    done = piped(home, "search", "otter", "--explain")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert f"    {LONG.strip()}" in lines and [line for line in lines if line != line.rstrip()] == []
    degraded = [line for line in done.stderr.splitlines() if line.startswith("degraded: ")]
    assert len(degraded) == len(done.stderr.splitlines()) - 2 == 2  # and two lines of the log
    assert all(
        line.startswith("degraded: ") or line.startswith("xunyi: ") for line in done.stderr.splitlines()
    )
    (header, row) = piped(home, "collections").stdout.splitlines()
    assert header.split()[-3:] == ["not", "indexed", "yet"] and row.split()[0] == "default"


def last_bar(shown):
    """Return the bar as it stands when a command has ended."""
    return [line for line in shown.splitlines() if line.startswith("ingesting")][-1]


def test_a_bar_ends_full_where_something_was_read_and_empty_where_nothing_was(home, folder, tmp_path):
    assert re.fullmatch(r"ingesting ━+ 100 % +1 document  .*", last_bar(on_terminal(home, "ingest", folder)))
    given = ("ingest", "-", "--key", "k", "-c", "given")
    shown = on_terminal(home, *given, given=LONG.encode())
    assert re.fullmatch(r"ingesting ━+ 100 % +1 document  .*", last_bar(shown))
    shown = on_terminal(home, *given)
    assert re.fullmatch(r"ingesting +━+ 0 documents.*", last_bar(shown)) and "%" not in shown
    shown = on_terminal(home, "ingest", tmp_path / "nowhere")
    assert re.fullmatch(r"ingesting +━+ 0 documents.*", last_bar(shown)) and "%" not in shown


def test_a_terminal_gets_lines_that_fit(home):
    found = on_terminal(home, "search", "otter")
    assert max(map(len, found.splitlines())) <= COLUMNS and found.count("otter floats") >= 4
