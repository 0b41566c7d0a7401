"""The files under a path that a user names, in a fixed order.

- Names are sorted by code point, so that two walks of the same folder give the same order.
- Hidden files and folders (a leading dot: ``.git``, ``.DS_Store``) and Word's lock files (``~$...``) are
  no documents and are skipped, unless the user names one as the path itself.
- A link to a file is read like a file, under the link's name.
- A link to a folder elsewhere is followed once.  One that leads into the walked folder or above it, or to
  a folder that was read before, is refused, so that no circle is walked and no folder read twice.
- Pipes, devices and sockets are refused, because reading them may never end; names that are not UTF-8,
  because no key can hold them.

Every refusal here means that something was not looked at, so a sync deletes nothing under that path.
The ingest calls ``walk`` for each path and the progress bar ``bytes_under``.
"""

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.readers.base import Refused
from search.errors import UnreadablePath

SKIPPED = (".", "~$")
"""How the names begin that are skipped."""

Identity = tuple[int, int]
"""Device and inode: two paths with the same lead to one folder."""


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One file to read."""

    path: Path
    key: str
    """Relative to the walked folder, with that folder's name in front; a single file's own name."""
    origin: str
    """Absolute path below the resolved path of the walk; links inside it are kept by their names."""
    shown: str
    """What a person is told of it by: the walked path as it was given, and the key of what lies below it."""


def walk(path: Path, recursive: bool = True) -> Iterator[FoundFile | Refused]:
    """Yield the files under ``path`` (itself, if it is a file) and what cannot be read, lazily.

    Args:
        path: a file or a folder; it may be a link.
        recursive: whether to go into folders inside ``path``.
    """
    yield from Walk(path, recursive).files()


def bytes_under(path: Path) -> int:
    """Return the size of all files that ``walk`` finds, for a progress bar."""
    return sum(size_of(found.path) for found in walk(path) if isinstance(found, FoundFile))


def size_of(path: Path) -> int:
    """Return a file's size, 0 for one that vanished."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


class Walk:
    """One walk; it keeps a stack of its own, as folders may lie deeper than Python calls."""

    def __init__(self, path: Path, recursive: bool) -> None:
        self._root = Path(os.path.realpath(path))
        self._recursive = recursive
        self._entered: set[Identity] = set()
        name = Path(os.path.abspath(path)).name  # noqa: PTH100 - resolving would lose the name of a link
        self._waiting = [iter([FoundFile(path, name, str(self._root), str(path))])]
        """For each folder on the way down, what is left of it."""

    def files(self) -> Iterator[FoundFile | Refused]:
        """Yield files and refusals until nothing is waiting."""
        while self._waiting:
            found = next(self._waiting[-1], None)
            if found is None:
                self._waiting.pop()
            else:
                yield from self._visited(found, first=not self._entered)

    def _visited(self, found: FoundFile, first: bool) -> Iterator[FoundFile | Refused]:
        try:
            check_name(found)
            status = found.path.stat()
            if stat.S_ISREG(status.st_mode):
                yield found
            elif not stat.S_ISDIR(status.st_mode):
                raise UnreadablePath(f"{found.shown} is neither a file nor a folder")
            elif first or self._recursive:
                self._enter(found, (status.st_dev, status.st_ino), first)
        except OSError as error:
            yield Refused(printable(found.shown), UnreadablePath(sentence(found, error)))
        except UnreadablePath as error:
            yield Refused(printable(found.shown), error)

    def _enter(self, folder: FoundFile, identity: Identity, first: bool) -> None:
        if not first and folder.path.is_symlink():
            self._check_link(folder)
        if identity in self._entered:
            raise UnreadablePath(f"{folder.key} leads to a folder that was read before")
        self._entered.add(identity)
        names = sorted(child.name for child in folder.path.iterdir() if not child.name.startswith(SKIPPED))
        self._waiting.append(map(partial(entry, folder), names))

    def _check_link(self, link: FoundFile) -> None:
        target = Path(os.path.realpath(link.path))
        if self._root.is_relative_to(target):
            raise UnreadablePath(f"{link.key} is a link that leads in a circle")
        if target.is_relative_to(self._root):
            raise UnreadablePath(f"{link.key} is a link to a folder that is read under its own name")


def entry(folder: FoundFile, name: str) -> FoundFile:
    """Return what is called ``name`` in ``folder``."""
    key = f"{folder.key}/{name}" if folder.key else name
    return FoundFile(folder.path / name, key, f"{folder.origin.rstrip('/')}/{name}", key)


def check_name(found: FoundFile) -> None:
    """Raise ``UnreadablePath`` for a name that is no text."""
    if printable(found.key) != found.key:
        raise UnreadablePath(f"{printable(found.key)} has a name that is not UTF-8; rename it")


def printable(key: str) -> str:
    r"""Return a key with the bytes that are not UTF-8 written as ``\xff``."""
    return os.fsencode(key).decode(errors="backslashreplace")


def sentence(found: FoundFile, error: OSError) -> str:
    """Return in words why something cannot be looked at."""
    shown = printable(found.shown)
    if error.errno == errno.ELOOP:
        return f"{shown} is a link that leads in a circle"
    if error.errno == errno.ENOENT:
        return f"{shown} is a link to nothing" if found.path.is_symlink() else f"{shown} does not exist"
    return f"{shown} cannot be read: {error.strerror}"
