"""What a lexical index on disk survives: damage, crashes, and a writer beside its readers."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from search.artifacts import MANIFEST, DamagedArtifact, seal
from search.lexical import tantivy_index
from search.lexical.tantivy_index import TantivyIndex, TantivyWriter

ROOT = Path(__file__).parent.parent.parent


def passage(number):
    return number, ["all", f"w{number % 7}", f"w{number % 11}", "x" * (number % 50 + 1)]


@pytest.fixture
def folder(tmp_path):
    """An index of two segments, one of which has lost passages."""
    with TantivyWriter.create(tmp_path) as writer:
        writer.apply(map(passage, range(200)), [], covers=1)
        writer.apply(map(passage, range(200, 220)), range(50), covers=2)
    return tmp_path


def snapshot_of(folder):
    (snapshot,) = folder.iterdir()
    return snapshot


def test_a_closed_index_is_one_snapshot_and_every_file_is_checked(folder):
    snapshot = snapshot_of(folder)
    assert snapshot.name == "000000000002"
    TantivyIndex.open(folder)
    described = json.loads((snapshot / MANIFEST).read_text("utf-8"))
    unchecked = {path.name for path in snapshot.iterdir()} - set(described)
    assert unchecked == {MANIFEST, ".tantivy-meta.lock"}
    assert {"meta.json", ".managed.json"} < set(described)
    kinds = {Path(name).suffix for name in described}
    assert kinds >= {".term", ".idx", ".fast", ".fieldnorm", ".store", ".del"}


@pytest.mark.parametrize("damage", ["removed", "truncated", "flipped", "emptied"])
@pytest.mark.parametrize("kind", ["*.term", "*.idx", "*.fast", "*.fieldnorm", "*.del", "meta.json", MANIFEST])
def test_damage_is_found_on_opening(folder, kind, damage):
    victim = sorted(snapshot_of(folder).glob(kind))[0]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 0x10
    victim.chmod(0o600)
    match damage:
        case "removed":
            victim.unlink()
        case "truncated":
            victim.write_bytes(content[: len(content) // 2])
        case "flipped":
            victim.write_bytes(content)
        case "emptied":
            victim.write_bytes(b"")
    for opening in (TantivyIndex.open, TantivyWriter.open):
        with pytest.raises(DamagedArtifact) as raised:
            opening(folder)
        assert str(folder) not in str(raised.value)


@pytest.mark.parametrize("kind", ["*.term", "*.idx", "*.fast", "*.fieldnorm", "*.del", "meta.json"])
def test_what_tantivy_itself_cannot_read_is_damage_too(folder, kind, capfd):
    """Files that pass their checksums and are rubbish all the same: an older or a foreign format."""
    snapshot = snapshot_of(folder)
    for victim in snapshot.glob(kind):
        victim.chmod(0o600)
        victim.write_bytes(b"rubbish")
    (snapshot / MANIFEST).chmod(0o600)
    (snapshot / ".tantivy-meta.lock").unlink(missing_ok=True)
    seal(snapshot)
    with pytest.raises(DamagedArtifact):
        TantivyIndex.open(folder).search(["all"], 5)


def test_an_index_without_marker_is_damage(tmp_path):
    index = tantivy_index.new_index(None)
    with pytest.raises(DamagedArtifact, match="marker"):
        TantivyIndex(index)


def test_files_that_go_while_they_are_used_change_no_answer(folder):
    index = TantivyIndex.open(folder)
    before = index.search(["w1", "w2"], 30)
    for number, victim in enumerate(sorted(snapshot_of(folder).glob("*"))):
        if number % 2:
            victim.unlink()
        else:
            (folder / "other").write_bytes(b"something else")
            (folder / "other").rename(victim)
    assert not index.intact()
    after = index.search(["w1", "w2"], 30)
    assert [array.tolist() for array in after] == [array.tolist() for array in before]
    with pytest.raises(DamagedArtifact):
        TantivyIndex.open(folder)


def test_a_new_index_takes_the_place_of_a_damaged_one(folder):
    next(snapshot_of(folder).glob("*.term")).unlink()
    with TantivyWriter.create(folder) as writer:
        writer.apply(map(passage, range(5)), [], covers=9)
    index = TantivyIndex.open(folder)
    assert (index.count, index.marker) == (5, 9)
    assert snapshot_of(folder).name == "000000000003"


def test_a_source_that_fails_leaves_everything_as_it_was(folder):
    def failing():
        yield passage(900)
        raise ConnectionError

    with TantivyWriter.open(folder) as writer:
        with pytest.raises(ConnectionError):
            writer.apply(failing(), [100], covers=3)
        assert writer.marker == 2
        assert TantivyIndex.open(folder).search(["all"], 1000)[0].tolist() == list(range(50, 220))
        writer.apply([passage(901)], [101], covers=4)
    left = [*range(50, 101), *range(102, 220), 901]
    assert sorted(TantivyIndex.open(folder).search(["all"], 1000)[0].tolist()) == left


def test_a_reader_that_loses_its_snapshot_to_a_writer_opens_the_next(folder, monkeypatch):
    verify = tantivy_index.verify_sealed
    overtaken = []

    def slow(snapshot):
        if not overtaken:
            overtaken.append(snapshot)
            with TantivyWriter.open(folder) as writer:
                writer.apply([], [219], covers=3)
        return verify(snapshot)

    monkeypatch.setattr(tantivy_index, "verify_sealed", slow)
    assert TantivyIndex.open(folder).marker == 3


def test_a_file_system_without_hard_links_will_do(folder, monkeypatch):
    def refused(source, target):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    with TantivyWriter.open(folder) as writer:
        writer.apply([passage(500)], [200], covers=3)
    index = TantivyIndex.open(folder)
    assert (index.marker, index.count) == (3, 170)


def test_a_full_disk_leaves_the_last_snapshot(folder, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    with TantivyWriter.open(folder) as writer:
        monkeypatch.setattr(os, "link", full)
        with pytest.raises(OSError, match="No space"):
            writer.apply([passage(500)], [], covers=3)
        monkeypatch.undo()
        assert TantivyIndex.open(folder).marker == writer.marker == 2
        with pytest.raises(RuntimeError, match="open a new one"):
            writer.apply([passage(500)], [], covers=3)
    with TantivyWriter.open(folder) as writer:  # begins from what is published
        assert writer.marker == 2
        writer.apply([passage(500)], [], covers=3)
    assert TantivyIndex.open(folder).count == 171


WRITING = """
import sys
from pathlib import Path
from search.lexical.tantivy_index import TantivyWriter

folder = Path(sys.argv[1])
writer = TantivyWriter.open(folder) if any(folder.iterdir()) else TantivyWriter.create(folder)
with writer:
    for number in range(writer.marker + 1, 10_000):
        added = [(number * 100 + place, ["all", f"batch{number}"]) for place in range(40)]
        writer.apply(added, [(number - 1) * 100 + place for place in range(10)], covers=number)
        print(number, flush=True)
"""


def test_killed_at_any_moment_the_marker_tells_the_truth(tmp_path):
    rng = np.random.default_rng(8)
    folder = tmp_path / "index"
    folder.mkdir()
    printed = 0
    for _ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        time.sleep(float(rng.uniform(0, 0.15)))
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
        process.stdout.close()
        process.wait()
        printed = int(rest[-1]) if rest else printed
        index = TantivyIndex.open(folder)
        marker = index.marker
        assert marker >= printed
        held = [
            number * 100 + place
            for number in range(1, marker + 1)
            for place in range(0 if number == marker else 10, 40)
        ]
        assert sorted(index.search(["all"], 10**6)[0].tolist()) == held
        assert index.count == len(held)
        assert index.search([f"batch{marker + 1}"], 10)[0].size == 0
    assert marker >= 6
