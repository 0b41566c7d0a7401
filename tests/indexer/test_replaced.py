"""Documents that take the place of those of another file: the summary says so, and says it only then."""

import io
import json
import os
import re
import sys

import pytest

from indexer.cli import run
from indexer.records import NewDocument, UploadedFile
from indexer.service import Service
from indexer.settings import Settings
from indexer.worker import Worker
from tests.bad_files import lines

pytestmark = pytest.mark.usefixtures("models_opened_once")


@pytest.fixture
def ingest(home, capsys):
    """Return a function that ingests paths; it returns the summary, and the lines that were told."""

    def command(*paths):
        arguments = [*map(str, paths), "--home", str(home)]
        capsys.readouterr()
        assert run(["ingest", "--json", *arguments]) == 0
        return json.loads(capsys.readouterr().out)

    return command


def records(path, first, last, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(*({"id": n, "text": f"{text} {n}"} for n in range(first, last + 1))), "utf-8")
    return path


def test_records_of_two_files_that_share_their_keys_are_told_of(tmp_path, home, ingest, capsys):
    ingest(
        records(tmp_path / "a.jsonl", 1, 3, "A heron waits."), records(tmp_path / "b.jsonl", 4, 5, "A tern.")
    )
    summary = ingest(records(tmp_path / "c.jsonl", 3, 6, "An otter dives."))
    assert (summary["created"], summary["updated"], summary["replaced"]) == (1, 3, 3)
    assert summary["notes"] == [
        "replaced 3 documents that came from a.jsonl and 1 other file, by the same keys; to keep both, "
        "ingest into another collection (-c) or choose another --key-field"
    ]
    capsys.readouterr()
    assert run(["ingest", "--home", str(home), str(records(tmp_path / "d.jsonl", 1, 1, "A wren."))]) == 0
    shown = capsys.readouterr()
    told = [line for line in shown.err.splitlines() if "replaced" in line]
    assert len(told) == 1 and told[0].startswith("replaced 1 document that came from a.jsonl, by")
    assert "1 updated" in shown.out


def test_the_same_file_is_no_other_whatever_path_leads_to_it(tmp_path, ingest, monkeypatch):
    path = records(tmp_path / "notes" / "a.jsonl", 1, 3, "first")
    (tmp_path / "link.jsonl").symlink_to(path)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a.jsonl").symlink_to(path)
    os.link(path, tmp_path / "hard.jsonl")
    monkeypatch.chdir(path.parent)
    links = (tmp_path / name for name in ("link.jsonl", "linked", "hard.jsonl"))
    for number, way in enumerate((path, "a.jsonl", "../notes/a.jsonl", path.parent, ".", *links)):
        path.write_text(lines(*({"id": n, "text": f"{number} {n}"} for n in (1, 2, 3))), "utf-8")
        summary = ingest(way)
        assert (summary["created"] + summary["updated"], summary["replaced"]) == (3, 0), way
        assert summary["notes"] == []


def test_what_is_the_same_in_both_files_loses_nothing(tmp_path, ingest):
    ingest(records(tmp_path / "a.jsonl", 1, 3, "same"))
    summary = ingest(records(tmp_path / "b.jsonl", 1, 3, "same"))
    assert (summary["unchanged"], summary["replaced"], summary["notes"]) == (3, 0, [])


def test_folders_of_one_name_replace_one_another_and_a_folder_that_was_moved_does_not(tmp_path, ingest):
    records(tmp_path / "one" / "notes" / "a.jsonl", 1, 2, "one")
    records(tmp_path / "two" / "notes" / "a.jsonl", 1, 2, "two")
    ingest(tmp_path / "one" / "notes")
    summary = ingest(tmp_path / "two" / "notes")
    assert summary["replaced"] == 2
    assert summary["notes"][0].startswith("replaced 2 documents that came from another notes/a.jsonl, by")
    (tmp_path / "two").rename(tmp_path / "three")
    records(tmp_path / "three" / "notes" / "a.jsonl", 1, 2, "three")
    summary = ingest(tmp_path / "three" / "notes")
    assert (summary["updated"], summary["replaced"]) == (2, 0)


def test_what_did_not_come_from_a_file_is_no_other_file(tmp_path, home, ingest, capsys, monkeypatch):
    service = Service.open(Settings.from_environment({}, home=home))
    service.put_document("default", NewDocument("1", "Put by a program."))
    assert ingest(records(tmp_path / "a.jsonl", 1, 3, "file"))["replaced"] == 0
    service.put_document("default", NewDocument("1", "Put again by a program."))
    upload = UploadedFile("b.jsonl", io.BytesIO(lines({"id": 2, "text": "uploaded"}).encode()))
    service.upload("default", [upload])
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    assert service.document("default", "2").text == "uploaded"
    service.close()
    given = lines({"id": 3, "text": "from standard input"}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    capsys.readouterr()
    assert run(["ingest", "-", "--key", "k", "--name", "x.jsonl", "--home", str(home)]) == 0
    assert not re.search("replaced", capsys.readouterr().err)
    assert ingest(records(tmp_path / "a.jsonl", 1, 3, "file again"))["replaced"] == 0
