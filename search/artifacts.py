"""Folders of files that are written once, published as a whole, and prove themselves when opened.

Every cache of the store is such a folder: written aside, synced, made read-only and renamed into place,
so that a crash leaves either all of it or nothing that anybody reads.  Whoever opens one compares its
files with what was noted when they were written (in the database, or in the folder's own manifest), for
a damaged index does not fail: it answers wrongly.

Vector generations, lexical snapshots and the word trie are made with these functions.
"""

import hashlib
import json
import os
from collections.abc import Container, Mapping
from pathlib import Path

Description = dict[str, dict[str, int | str]]
"""File name -> ``{"bytes": size, "sha256": hexadecimal digest}``; ready for JSON."""

MANIFEST = "checksums.json"

_BLOCK_BYTES = 1 << 20
_READ_ONLY = 0o444


class DamagedArtifact(Exception):
    """Files of a cache are missing, changed or unreadable: answer without them and make them again.

    Never reaches a caller of the service, which says ``degraded`` instead.  The message names files
    without their folder.
    """


def digest(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal, reading a block at a time."""
    state = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            state.update(block)
    return state.hexdigest()


def describe(folder: Path, known: Mapping[str, dict[str, int | str]] | None = None) -> Description:
    """Return size and digest of every file in ``folder``, its manifest apart.

    Args:
        folder: holds files only.
        known: descriptions of files that cannot have changed, by name; they are not read again.
    """
    known = known or {}
    names = sorted(path.name for path in folder.iterdir() if path.name != MANIFEST)
    return {name: known.get(name) or _described(folder / name) for name in names}


def _described(path: Path) -> dict[str, int | str]:
    return {"bytes": path.stat().st_size, "sha256": digest(path)}


def verify(folder: Path, described: Mapping[str, Mapping[str, int | str]]) -> None:
    """Compare the files of ``folder`` with their description; files it does not name are ignored.

    Raises:
        DamagedArtifact: a file is missing, of another size, or of other content.
    """
    for name, facts in described.items():
        try:
            size = (folder / name).stat().st_size
            if size != facts["bytes"]:
                raise DamagedArtifact(f"{name} has {size} bytes instead of {facts['bytes']}")
            if digest(folder / name) != facts["sha256"]:
                raise DamagedArtifact(f"{name} is not what was written")
        except FileNotFoundError:
            raise DamagedArtifact(f"{name} is missing") from None
        except OSError as error:
            raise DamagedArtifact(f"{name} cannot be read: {error.strerror}") from error


def seal(folder: Path, known: Mapping[str, dict[str, int | str]] | None = None) -> Description:
    """Write the manifest that describes ``folder`` into it, for folders no database row describes."""
    described = describe(folder, known)
    (folder / MANIFEST).write_text(json.dumps(described, indent=1), "utf-8")
    return described


def verify_sealed(folder: Path) -> Description:
    """Compare ``folder`` with its own manifest, and return that.

    Raises:
        DamagedArtifact: the manifest is missing or unreadable, or a file is not as it says.
    """
    try:
        described: Description = json.loads((folder / MANIFEST).read_bytes())
        named = {name: (facts["bytes"], facts["sha256"]) for name, facts in described.items()}
    except FileNotFoundError:
        raise DamagedArtifact(f"{MANIFEST} is missing") from None
    except OSError as error:
        raise DamagedArtifact(f"{MANIFEST} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedArtifact(f"{MANIFEST} is no manifest") from error
    if not named:
        raise DamagedArtifact(f"{MANIFEST} names no file")
    verify(folder, described)
    return described


def fingerprint_of(folder: Path) -> str:
    """Return the digest of all files of a sealed folder, by their names and contents.

    Raises:
        DamagedArtifact: one of them is not what was written.
    """
    files = {name: facts["sha256"] for name, facts in verify_sealed(folder).items()}
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def publish(temporary: Path, final: Path, durable: Container[str] = frozenset()) -> None:
    """Make the files of ``temporary`` durable and read-only, and let it appear as ``final`` at once.

    The folder itself stays writable: engines keep lock files beside their data.

    Args:
        temporary: holds files only; in the same file system as ``final``.
        final: the folder's name from now on.
        durable: names of files that were published before, as links of which they are here.

    Raises:
        FileExistsError: ``final`` is there already; nothing was renamed.
    """
    for path in temporary.iterdir():
        if path.name not in durable:
            path.chmod(_READ_ONLY)
            sync(path)
    sync(temporary)
    if final.exists():
        raise FileExistsError(f"{final.name} is published already")
    temporary.rename(final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Force a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
