"""Folders that appear whole and prove themselves."""

import hashlib
import json

import pytest

from search import artifacts
from search.artifacts import MANIFEST, DamagedArtifact, describe, digest, publish, seal, verify, verify_sealed


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "aside"
    made.mkdir()
    (made / "rows.bin").write_bytes(b"0123456789")
    (made / "ids.npy").write_bytes(b"")
    return made


def damage(path, kind):
    path.chmod(0o600)
    content = path.read_bytes()
    match kind:
        case "removed":
            path.unlink()
        case "truncated":
            path.write_bytes(content[:-1])
        case "longer":
            path.write_bytes(content + b"x")
        case "flipped":
            path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        case "folder":
            path.unlink()
            path.mkdir()


def test_digest_is_sha256_over_all_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts, "_BLOCK_BYTES", 7)
    (tmp_path / "file").write_bytes(b"abcdefgh" * 5)
    assert digest(tmp_path / "file") == hashlib.sha256(b"abcdefgh" * 5).hexdigest()


def test_description(folder):
    empty = hashlib.sha256(b"").hexdigest()
    digits = hashlib.sha256(b"0123456789").hexdigest()
    described = describe(folder)
    assert described == {
        "ids.npy": {"bytes": 0, "sha256": empty},
        "rows.bin": {"bytes": 10, "sha256": digits},
    }
    assert json.loads(json.dumps(described)) == described
    verify(folder, described)


def test_what_is_known_is_not_read_again(folder):
    known = {"rows.bin": {"bytes": 3, "sha256": "as told"}, "gone": {"bytes": 1, "sha256": "x"}}
    described = describe(folder, known)
    assert described["rows.bin"] == known["rows.bin"]
    assert set(described) == {"rows.bin", "ids.npy"}


@pytest.mark.parametrize(
    ("kind", "complaint"),
    [
        ("removed", "rows.bin is missing"),
        ("truncated", "rows.bin has 9 bytes instead of 10"),
        ("longer", "rows.bin has 11 bytes instead of 10"),
        ("flipped", "rows.bin is not what was written"),
        ("folder", "rows.bin"),
    ],
)
def test_damage_is_named_without_the_path(folder, kind, complaint):
    described = describe(folder)
    damage(folder / "rows.bin", kind)
    with pytest.raises(DamagedArtifact) as raised:
        verify(folder, described)
    assert complaint in str(raised.value)
    assert str(folder) not in str(raised.value)


def test_a_folder_that_is_gone_is_damage(tmp_path):
    with pytest.raises(DamagedArtifact, match=r"rows\.bin is missing"):
        verify(tmp_path / "gone", {"rows.bin": {"bytes": 0, "sha256": ""}})
    with pytest.raises(DamagedArtifact, match=r"checksums\.json is missing"):
        verify_sealed(tmp_path / "gone")


def test_published_files_are_read_only_and_all_there(folder, tmp_path):
    seal(folder)
    final = tmp_path / "final"
    publish(folder, final)
    assert not folder.exists()
    assert sorted(path.name for path in final.iterdir()) == [MANIFEST, "ids.npy", "rows.bin"]
    assert {path.stat().st_mode & 0o777 for path in final.iterdir()} == {0o444}
    assert set(verify_sealed(final)) == {"ids.npy", "rows.bin"}


def test_files_the_manifest_does_not_name_are_ignored(folder):
    seal(folder)
    (folder / "lock").touch()
    verify_sealed(folder)


def test_what_is_durable_already_is_not_synced_again(folder, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(artifacts, "sync", lambda path: synced.append(path.name))
    publish(folder, tmp_path / "final", durable={"rows.bin"})
    assert synced == ["ids.npy", "aside", tmp_path.name]
    assert (tmp_path / "final" / "rows.bin").exists()


def test_nothing_is_published_over_what_is_there(folder, tmp_path):
    final = tmp_path / "final"
    final.mkdir()
    with pytest.raises(FileExistsError):
        publish(folder, final)
    assert (folder / "rows.bin").exists()
    assert list(final.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"3", b'{"rows.bin": 3}', b'{"rows.bin": {"bytes": 10}}', b"\xff"]
)
def test_a_broken_manifest_is_damage(folder, content):
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(DamagedArtifact, match=MANIFEST):
        verify_sealed(folder)


@pytest.mark.parametrize("kind", ["removed", "truncated", "flipped"])
def test_a_sealed_folder_proves_itself(folder, kind):
    seal(folder)
    damage(folder / "rows.bin", kind)
    with pytest.raises(DamagedArtifact):
        verify_sealed(folder)
