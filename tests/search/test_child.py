"""A child process that works for one parent, whatever becomes of that parent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ENDLESS = """
import os, time
from search.child import Channel, Step
Channel().step(Step(str(os.getpid()), 1, 1))
time.sleep(60)
"""
PARENT = """
import json
from search.child import run_child
run_child("endless", [], lambda step: print(json.dumps(int(step.name)), flush=True))
"""
PATIENCE_SECONDS = 10.0


def alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_no_child_outlives_a_parent_that_was_killed(tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS, "utf-8")
    paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths}
    ) as parent:
        child = json.loads(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    outlived = alive(child)
    if outlived:
        os.kill(child, signal.SIGKILL)
    assert not outlived
