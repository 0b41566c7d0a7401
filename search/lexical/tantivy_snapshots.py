"""The folder of a lexical index: one published snapshot after another, each complete and checked.

tantivy's own folder is never quite at rest: a commit, a merge and the removal of merged files change it at
different moments, and its small ``meta.json`` decides about everything without a checksum.  So tantivy
writes in a folder that no reader sees, and what it has committed appears beside it as a numbered
snapshot: hard links to its immutable segment files, a copy of ``meta.json``, and a manifest of checksums.
A snapshot costs no disk and no copying, and a crash at any moment leaves the last one as it was.

    <index>/000000000007/   the snapshot that readers open
    <index>/writing/        tantivy's; only there while a writer is open
"""

import errno
import json
import os
import shutil
from pathlib import Path

from search.artifacts import MANIFEST, DamagedArtifact, Description, publish, seal, sync, verify_sealed

_WRITING = "writing"
_ASIDE = "publishing"
_META = "meta.json"
# The list of files that tantivy may delete once they are merged away.
_MANAGED = ".managed.json"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def newest(folder: Path) -> Path:
    """Return the newest snapshot; raise ``DamagedArtifact`` where there is none."""
    try:
        names = [path.name for path in folder.iterdir() if path.name.isdecimal()]
    except OSError:
        names = []
    if not names:
        raise DamagedArtifact("the lexical index is missing")
    return folder / max(names)


def writing_folder(folder: Path) -> Path:
    """Return an empty folder for tantivy to write in; what a crash left there goes."""
    close(folder)
    (folder / _WRITING).mkdir()
    return folder / _WRITING


def checked_out(folder: Path) -> tuple[Path, Description]:
    """Return a writing folder that holds the newest snapshot, and the description of its files.

    Raises:
        DamagedArtifact: the snapshot is missing or damaged; the index must be made anew.
    """
    snapshot = newest(folder)
    described = verify_sealed(snapshot)
    writing = writing_folder(folder)
    _link(snapshot, writing, described)
    return writing, described


def publish_snapshot(folder: Path, known: Description) -> Description:
    """Let what is committed in the writing folder appear as the next snapshot, in place of the last.

    Whoever reads the last one keeps its files mapped.  Files described in ``known`` are not read again:
    a segment file's name is unique and its content never changes.
    """
    writing, aside = folder / _WRITING, folder / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    _link(writing, aside, _living_files(writing))
    segments = {name: facts for name, facts in known.items() if name not in (_META, _MANAGED)}
    described = seal(aside, segments)
    last = sorted(path for path in folder.iterdir() if path.name.isdecimal())
    number = int(last[-1].name) + 1 if last else 1
    publish(aside, folder / f"{number:012d}", durable=segments)
    for old in last:
        shutil.rmtree(old, ignore_errors=True)
    return described


def close(folder: Path) -> None:
    """Remove what only a writer needs."""
    for name in (_WRITING, _ASIDE):
        shutil.rmtree(folder / name, ignore_errors=True)


def _living_files(writing: Path) -> list[str]:
    """Return the names of the files that the last commit consists of."""
    segments = json.loads((writing / _META).read_bytes())["segments"]
    living = {segment["segment_id"].replace("-", "") for segment in segments}
    names = [path.name for path in writing.iterdir() if path.name.partition(".")[0] in living]
    return [*names, _META, _MANAGED]


def _link(source: Path, target: Path, names: Description | list[str]) -> None:
    """Make files of ``source`` appear in ``target``; those that tantivy rewrites are copied."""
    for name in names:
        if name in (_META, _MANAGED):
            (target / name).write_bytes((source / name).read_bytes())
        elif name != MANIFEST:
            _link_or_copy(source / name, target / name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)
        sync(target)  # a link would have been durable already
