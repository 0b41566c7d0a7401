"""Walking real folders: order, keys, links that lead in circles, and what cannot be read."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

from indexer.readers.base import Refused
from indexer.readers.walk import FoundFile, bytes_under, walk


@pytest.fixture
def notes(tmp_path):
    """notes/ with two files, one of them in a sub-folder."""
    folder = tmp_path / "notes"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "deep.txt").write_text("1")
    (folder / "top.txt").write_text("22")
    return folder


def seen(path, recursive=True):
    """Keys of files; key and sentence of refusals."""
    return [
        found.key if isinstance(found, FoundFile) else (found.where, str(found.error))
        for found in walk(path, recursive)
    ]


def test_keys_begin_with_the_folder_and_origins_with_its_real_path(notes):
    assert list(walk(notes)) == [
        FoundFile(
            notes / "a" / "b" / "deep.txt",
            "notes/a/b/deep.txt",
            f"{notes.resolve()}/a/b/deep.txt",
            "notes/a/b/deep.txt",
        ),
        FoundFile(notes / "top.txt", "notes/top.txt", f"{notes.resolve()}/top.txt", "notes/top.txt"),
    ]
    assert bytes_under(notes) == 3


def test_a_single_file_is_called_by_its_name(notes):
    assert list(walk(notes / "top.txt")) == [
        FoundFile(notes / "top.txt", "top.txt", f"{notes.resolve()}/top.txt", str(notes / "top.txt"))
    ]


def test_the_working_folder_has_its_own_name(notes, monkeypatch):
    monkeypatch.chdir(notes)
    for path in (".", "../notes", "a/.."):
        assert seen(Path(path)) == ["notes/a/b/deep.txt", "notes/top.txt"]


def test_names_are_sorted_by_code_point(tmp_path):
    for name in ("b.txt", "B.txt", "潮.txt", "a10.txt", "a2.txt", "é.txt"):
        (tmp_path / name).touch()
    here = tmp_path.name
    assert seen(tmp_path) == [
        f"{here}/{name}" for name in ("B.txt", "a10.txt", "a2.txt", "b.txt", "é.txt", "潮.txt")
    ]


def test_hidden_names_are_skipped_unless_asked_for(notes):
    (notes / ".git").mkdir()
    (notes / ".git" / "config.txt").touch()
    (notes / ".DS_Store").touch()
    (notes / "~$report.docx").touch()
    assert seen(notes) == ["notes/a/b/deep.txt", "notes/top.txt"]
    assert seen(notes / ".git") == [".git/config.txt"]
    assert seen(notes / ".DS_Store") == [".DS_Store"]


def test_sub_folders_can_be_left_out(notes):
    assert seen(notes, recursive=False) == ["notes/top.txt"]


def test_a_link_to_a_file_is_read_under_its_own_name(notes, tmp_path):
    (tmp_path / "elsewhere.txt").write_text("x")
    (notes / "link.txt").symlink_to(tmp_path / "elsewhere.txt")
    found = list(walk(notes))[1]
    assert (found.key, found.origin) == ("notes/link.txt", f"{notes.resolve()}/link.txt")


def test_a_walk_may_begin_at_a_link(notes, tmp_path):
    (tmp_path / "alias").symlink_to(notes)
    found = list(walk(tmp_path / "alias"))
    assert [one.key for one in found] == ["alias/a/b/deep.txt", "alias/top.txt"]
    assert found[1].origin == f"{notes.resolve()}/top.txt"


@pytest.mark.parametrize("target", [".", "..", "../notes", "loop"])
def test_a_circle_is_refused_and_the_rest_is_read(notes, target):
    (notes / "loop").symlink_to(target)
    assert seen(notes) == [
        "notes/a/b/deep.txt",
        ("notes/loop", "notes/loop is a link that leads in a circle"),
        "notes/top.txt",
    ]


def test_a_link_to_a_folder_inside_does_not_read_it_twice(notes):
    (notes / "0").symlink_to("a")
    assert seen(notes) == [
        ("notes/0", "notes/0 is a link to a folder that is read under its own name"),
        "notes/a/b/deep.txt",
        "notes/top.txt",
    ]


def test_a_folder_outside_is_followed_once_and_back_links_are_not(notes, tmp_path):
    outside = tmp_path / "outside"
    (outside / "inner").mkdir(parents=True)
    (outside / "inner" / "far.txt").touch()
    (outside / "back").symlink_to(notes)
    (notes / "one").symlink_to(outside)
    (notes / "two").symlink_to(outside / "inner")
    assert seen(notes) == [
        "notes/a/b/deep.txt",
        ("notes/one/back", "notes/one/back is a link that leads in a circle"),
        "notes/one/inner/far.txt",
        "notes/top.txt",
        ("notes/two", "notes/two leads to a folder that was read before"),
    ]


def test_special_files_are_refused(notes, monkeypatch):
    os.mkfifo(notes / "pipe.txt")
    monkeypatch.chdir(notes)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
        assert seen(notes) == [
            "notes/a/b/deep.txt",
            ("notes/pipe.txt", "notes/pipe.txt is neither a file nor a folder"),
            ("notes/socket.txt", "notes/socket.txt is neither a file nor a folder"),
            "notes/top.txt",
        ]


def test_what_is_not_there(notes, tmp_path):
    (notes / "gone.txt").symlink_to("nowhere")
    assert seen(notes)[1] == ("notes/gone.txt", "notes/gone.txt is a link to nothing")
    assert seen(tmp_path / "missing") == [(f"{tmp_path}/missing", f"{tmp_path}/missing does not exist")]
    refused = next(walk(tmp_path / "missing"))
    assert isinstance(refused, Refused)
    assert refused.error.code == "unreadable_path"
    assert bytes_under(tmp_path / "missing") == 0


def test_names_that_are_not_utf8_are_refused_readably(notes):
    (notes / os.fsdecode(b"bad\xff") / "inner").mkdir(parents=True)
    (notes / os.fsdecode(b"caf\xe9.txt")).touch()
    assert seen(notes)[1:3] == [
        (r"notes/bad\xff", r"notes/bad\xff has a name that is not UTF-8; rename it"),
        (r"notes/caf\xe9.txt", r"notes/caf\xe9.txt has a name that is not UTF-8; rename it"),
    ]


def test_a_folder_that_may_not_be_read(notes, monkeypatch):
    (notes / "closed").mkdir()
    (notes / "closed" / "secret.txt").touch()
    notes.parent.chmod(0o755)
    (notes / "closed").chmod(0)
    monkeypatch.chdir(notes.parent)  # the folders above are root's own
    try:
        assert as_nobody(lambda: seen(Path("notes"))) == [
            "notes/a/b/deep.txt",
            ("notes/closed", "notes/closed cannot be read: Permission denied"),
            "notes/top.txt",
        ]
    finally:
        (notes / "closed").chmod(0o755)


def as_nobody(action):
    """What ``action`` returns in a child process that, unlike root, permissions bind."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            os.write(writing, repr(action()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        answer = told.read()
    os.waitpid(child, 0)
    return eval(answer)


def test_folders_deeper_than_calls(tmp_path):
    depth, here = 1100, os.open(tmp_path, os.O_DIRECTORY)
    try:
        for _ in range(depth):
            os.mkdir("d", dir_fd=here)
            deeper = os.open("d", os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = deeper
        os.close(os.open("x.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        keys = [found.key for found in walk(tmp_path)]
    finally:
        os.close(here)
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # Python's own way recurses
    assert keys == [f"{tmp_path.name}/{'d/' * depth}x.txt"]
