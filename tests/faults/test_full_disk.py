"""A disk that is full: one sentence, nothing lost that was acknowledged, and all well once there is room.

A small file system of its own is a full disk as it is; making one takes root.  A limit on the size of a
process's files, which anybody may set, is the next best: the database's log cannot grow beyond it.
"""

import json
import os
import resource
import shutil
import subprocess

import pytest

from indexer.cli import run
from indexer.service import Service
from indexer.settings import Settings
from tests.faults.homes import documents, sentences, write_documents
from tests.faults.processes import Served, ended, paused, resumed, soon, started, told

FILE_BYTES_MAX = 2 * 2**20
DISK_BYTES = 24 * 2**20


def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_documents(tmp_path_factory.mktemp("full") / "docs", 120)


@pytest.fixture
def small_disk(tmp_path, models_folder):
    """A home on a file system of a few megabytes."""
    home = tmp_path / "small"
    home.mkdir()
    options = f"size={DISK_BYTES},mode=700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(home)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may make a small file system")
    (home / "models").symlink_to(models_folder)
    yield home
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def fill(home, left):
    """Take all the room of a disk but for ``left`` bytes."""
    with (home / "filler").open("wb") as filler:
        filler.write(bytes(shutil.disk_usage(home).free - left))


def test_an_ingest_that_cannot_write_says_so_and_keeps_what_it_stored(new_home, folder, assert_clean):
    home = new_home()
    status, out, err = ended(started(home, "ingest", folder, preexec_fn=limited))
    assert (status, out) == (2, "")
    assert told(err).startswith("xunyi: the disk is full;") and told(err).endswith("(storage_full)")
    assert "Traceback" not in err
    stored = documents(home)
    assert 32 <= len(stored) < 120
    assert_clean(home)
    assert run(["ingest", "--home", str(home), str(folder)]) == 0
    assert len(documents(home)) == 120 and stored.items() <= documents(home).items()
    assert_clean(home)


def test_a_put_that_cannot_be_written_is_answered_507(new_home, assert_clean):
    home = new_home()
    known = sentences()
    acknowledged = []
    with Served(home, "--no-worker", preexec_fn=limited) as service:
        for number in range(500):
            address = f"/v1/collections/default/documents/{number}"
            status, answer = service.ask("PUT", address, {"text": known[number]})
            if status != 201:
                break
            acknowledged.append(address)
        assert (status, answer["code"]) == (507, "storage_full")
        assert answer["detail"].startswith("the disk is full")
        lines = json.dumps({"key": "line", "text": "a line of a bulk request"}).encode()
        status, line = service.ask("POST", "/v1/collections/default/documents", lines, "application/x-ndjson")
        assert (status, line["code"]) == (507, "storage_full")
        found = service.search("default", query=known[3], limit=1)
        assert found["hits"][0]["passage"]["text"] == known[3]
    with Served(home, "--no-worker") as service:
        for address in acknowledged:
            assert service.get(address)["document"]["key"] == address.rpartition("/")[2]
        assert service.get("/v1/collections/default")["documents"] == len(acknowledged) >= 5
        assert service.ask("PUT", "/v1/collections/default/documents/more", {"text": "More room."})[0] == 201
    assert_clean(home)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_documents_are_stored(small_disk, folder, assert_clean):
    run(["ingest", "--home", str(small_disk), str(folder / "part-1" / "00001.txt")])
    fill(small_disk, 1_000_000)
    status, out, err = ended(started(small_disk, "ingest", folder))
    assert (status, out) == (2, "")
    assert told(err).startswith("xunyi: the disk is full;") and told(err).endswith("(storage_full)")
    stored = documents(small_disk)
    assert 1 < len(stored) < 121
    (small_disk / "filler").unlink()
    assert_clean(small_disk)
    assert run(["ingest", "--home", str(small_disk), str(folder)]) == 0
    assert len(documents(small_disk)) == 121 and stored.items() <= documents(small_disk).items()
    assert_clean(small_disk)


@pytest.mark.slow
@pytest.mark.parametrize("left", [100_000, 300_000])
def test_a_disk_that_fills_up_while_caches_are_made(small_disk, folder, assert_clean, capsys, left):
    """All is stored by then: the ingest has done its work, and what is missing nobody needs to search."""
    ingest = ["ingest", "--json", "--home", str(small_disk), str(folder)]
    service = Service.open(Settings.from_environment({}, home=small_disk))
    with service.cache_lock.held("a test", service.clock()):
        assert run(ingest) == 0
    service.close()
    search = ["search", "--json", "--home", str(small_disk), sentences()[3]]
    assert run(search) == 0  # which makes the dictionary's file
    right = json.loads(capsys.readouterr().out.splitlines()[-1])["hits"][0]["key"]

    fill(small_disk, left)
    assert run(ingest) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["unchanged"] == 120 and len(summary["notes"]) == 1
    assert "all is stored" in summary["notes"][0] and "No space left" in summary["notes"][0]
    assert run(search) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["key"] == right

    (small_disk / "filler").unlink()
    assert run(ingest) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []
    assert run(search) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["generation"], found["degraded"]) == (1, [])
    assert_clean(small_disk)


@pytest.mark.slow
def test_a_worker_waits_for_room_and_then_does_its_task(small_disk, folder, assert_clean):
    with Served(small_disk) as service:
        paused(service.worker())
        task = service.upload("default", folder / "records.jsonl")
        fill(small_disk, 200_000)  # enough to begin the task
        resumed(service.worker())
        soon(lambda: "trying again in 5 s: the disk is full" in service.log.read_text("utf-8"))
        waiting = service.get(f"/v1/tasks/{task['id']}")
        assert waiting["started_at"] and not waiting["finished_at"]
        (small_disk / "filler").unlink()
        found = service.task_ended(task["id"])
        assert (found["state"], found["stored"] + found["unchanged"]) == ("succeeded", 60)
    assert_clean(small_disk)
