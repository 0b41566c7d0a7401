"""``xunyi serve`` whose processes are killed: what it acknowledged is there, and what it took on is done."""

import json
import random
import time
from threading import Thread

import pytest

from tests.faults.homes import assert_same, documents, rows, sentences, write_documents
from tests.faults.processes import Served, is_alive, soon


def test_a_task_outlives_the_worker_the_web_process_and_the_whole_service(
    tmp_path, new_home, ingested, assert_clean
):
    path = write_documents(tmp_path / "docs", 160) / "records.jsonl"
    undisturbed = ingested(new_home("undisturbed"), path)
    home = new_home()
    with Served(home) as service:
        task = service.upload("default", path)
        service.kill_all()  # 202 was answered, so the bytes are committed
    with Served(home) as service:
        soon(lambda: service.get(f"/v1/tasks/{task['id']}")["stored"])
        first = service.worker()
        first.kill()
        service.web().kill()
        assert service.get(f"/v1/tasks/{task['id']}")["finished_at"] is None
        found = service.task_ended(task["id"])
        assert service.worker().pid != first.pid
        assert (found["state"], found["error"], found["problems"]) == ("succeeded", None, [])
        assert found["stored"] + found["unchanged"] == 80 and found["done"] == found["total"]
        assert service.get("/v1/collections/default")["documents"] == 80
        text = json.loads(path.read_text("utf-8").splitlines()[-1])["text"]
        assert service.search("default", query=text)["hits"][0]["passage"]["text"] == text
    assert_same(home, undisturbed, ("documents", "fields", "passages"))
    assert_clean(home)


@pytest.mark.slow
def test_what_a_put_acknowledged_outlives_the_process_that_said_so(new_home, assert_clean):
    home = new_home()
    known, lot = sentences(), random.Random(5)
    acknowledged = {}
    with Served(home, "--no-worker") as service:

        def kill():
            for _ in range(2):
                time.sleep(lot.uniform(0.05, 0.8))
                service.web().kill()

        killer = Thread(target=kill)
        for number in range(40):
            if number == 10:
                killer.start()
            text = f"{lot.choice(known)} No. {number}."
            address = f"/v1/collections/default/documents/put-{number}"
            status, stored = service.asked("PUT", address, {"text": text})
            assert (status, stored["passages"]) in ((201, 1), (200, 0))
            acknowledged[stored["key"]] = text
            assert acknowledged.keys() <= documents(home).keys()
        killer.join()
        assert service.get("/v1/collections/default")["passages"] == 40
        for key, text in acknowledged.items():
            assert service.get(f"/v1/collections/default/documents/{key}")["text"] == text
    assert_clean(home)


@pytest.mark.slow
def test_a_task_whose_worker_dies_again_and_again_goes_on_while_it_gets_further(
    tmp_path, new_home, assert_clean
):
    path = write_documents(tmp_path / "docs", 400) / "records.jsonl"
    home = new_home()
    with Served(home) as service:
        task = service.upload("default", path)
        for _ in range(4):
            before = len(documents(home))
            soon(lambda before=before: len(documents(home)) > before and is_noted(service, task))
            service.worker().kill()
        found = service.task_ended(task["id"])
        assert (found["state"], found["error"]) == ("succeeded", None)
    assert len(documents(home)) == 200
    assert_clean(home)


def is_noted(service, task):
    """Return whether the worker at hand has written down that it stored something."""
    return service.get(f"/v1/tasks/{task['id']}")["stored"] > 0


def test_a_service_that_is_stopped_ends_all_its_processes_first_and_puts_its_task_back(tmp_path, new_home):
    path = write_documents(tmp_path / "docs", 160) / "records.jsonl"
    home = new_home()
    with Served(home) as service:
        family = [service.worker(), service.web()]
        task = service.upload("default", path)
        soon(lambda: len(documents(home)) >= 32)
        service.process.terminate()
        assert service.process.wait(30) == 0
        assert not any(is_alive(process) for process in family)
    (left,) = rows(home, f"SELECT state, attempts FROM tasks WHERE id = {task['id']}")
    assert left == ("enqueued", 0)


def test_a_service_that_is_killed_leaves_no_process_behind(new_home):
    with Served(new_home()) as service:
        family = [service.worker(), service.web()]
        service.process.kill()
        assert service.process.wait(30) == -9
        soon(lambda: not any(is_alive(process) for process in family))
