"""Text that is on the machine already: documentation of Python, of installed packages and of the system.

What there is differs from machine to machine, so the size of each source stands beside what was measured
with it.  Of a source that has more than ``SOURCE_BYTES_MAX``, documents are taken in the order of the
digest of their path, which favours none.  Word lists, test data and licences are no documentation.
"""

import ast
import gzip
import hashlib
import re
import struct
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from indexer.readers.base import Extracted
from indexer.readers.catalog import read_source
from search.errors import SearchError

SOURCE_BYTES_MAX = 4_000_000
DOCUMENT_CHARACTERS_MIN = 200
LIBRARY, PACKAGES = (Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib"))
DOCUMENTATION, MANUALS, MESSAGES = map(Path, ("/usr/share/doc", "/usr/share/man", "/usr/share/locale"))
NO_DOCUMENTATION = re.compile(
    r"/(tests?|testing|test_data|data|licenses?|examples)/|/gcloud|copyright|changelog|licen[cs]e", re.I
)
"""Of a cloud provider's tool there may be 17,000 pages of manual, which say nearly the same."""
_MO_MAGIC = 0x950412DE


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of documentation."""

    files: Callable[[], Iterable[Path]]
    read: Callable[[Path], Extracted | None]
    """The document of a file; None where there is none in it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """Documents of one source."""

    documents: list[Extracted]
    bytes: int
    """Of their texts in UTF-8."""


def gathered() -> Mapping[str, Gathered]:
    """Return the documents of every source; a text that stands there twice is taken once."""
    seen: set[str] = set()
    return {name: _of(source, seen) for name, source in SOURCES.items()}


def _of(source: Source, seen: set[str]) -> Gathered:
    documents, size = [], 0
    files = (path for path in source.files() if path.is_file() and not NO_DOCUMENTATION.search(str(path)))
    for path in sorted(files, key=lambda path: hashlib.sha256(str(path).encode()).digest()):
        document = source.read(path)
        if document is None or len(document.text) < DOCUMENT_CHARACTERS_MIN or document.text in seen:
            continue
        seen.add(document.text)
        documents.append(document)
        size += len(document.text.encode())
        if size >= SOURCE_BYTES_MAX:
            break
    return Gathered(documents, size)


def _under(folder: Path, *patterns: str) -> Callable[[], Iterator[Path]]:
    return lambda: (path for pattern in patterns for path in folder.glob(pattern))


def _library() -> Iterator[Path]:
    return (path for path in LIBRARY.glob("**/*.py") if "site-packages" not in path.parts)


def _docstrings(path: Path) -> Extracted | None:
    """Return what a module says of itself, of its classes and functions."""
    try:
        tree = ast.parse(path.read_text("utf-8"))
    except (SyntaxError, ValueError, RecursionError):
        return None
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    told = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, documented)]
    return _plain(path.stem, "\n\n".join(filter(None, told)))


def _file(path: Path) -> Extracted | None:
    """Return a document as an ingest reads it."""
    name = path.name.removesuffix(".gz")
    name = f"{path.parent.name}.md" if name == "METADATA" else name
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            found = next(iter(read_source(stream, name)), None)
    except SearchError:
        return None
    return found if isinstance(found, Extracted) else None


def _manual(path: Path) -> Extracted | None:
    """Return a page of the manual without the commands of roff."""
    source = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    if source.startswith(".so "):  # another name of another page
        return None
    lines = [_without_roff(line) for line in source.splitlines()]
    return _plain(path.name, "\n".join(line for line in lines if line is not None))


_ROFF_REQUEST = re.compile(r"[.']\s*(?P<name>\S*)\s*(?P<rest>.*)")
_ROFF_TEXT = {"B", "I", "BR", "IR", "RB", "RI", "BI", "IB", "SH", "SS", "SM", "Sh", "Ss", "Nd", "Em", "Sy"}
_ROFF_ESCAPES = (
    (re.compile(r"\\f(\[\w*\]|\(..|.)|\\s[-+]?\d|\\[&|^/,%!:c]|\\\*(\[\w*\]|\(..|.)|\\\".*"), ""),
    (re.compile(r"\\\((aq|cq|oq)|\\\[(aq|cq|oq)\]"), "'"),
    (re.compile(r"\\\((..)|\\\[[^\]]*\]"), " "),
    (re.compile(r"\\e"), r"\\"),
    (re.compile(r"\\(.)"), r"\1"),
)


def _without_roff(line: str) -> str | None:
    request = _ROFF_REQUEST.fullmatch(line)
    if request and request["name"] in ("PP", "P", "LP", "Pp", "TP", "IP"):
        return ""
    if request and request["name"] not in _ROFF_TEXT:
        return None
    text = request["rest"].replace('"', "") if request else line
    for pattern, instead in _ROFF_ESCAPES:
        text = pattern.sub(instead, text)
    return text


def _messages(path: Path) -> Extracted | None:
    """Return the translated messages of a program, from a GNU gettext catalogue (manual, section 10.3)."""
    catalogue = path.read_bytes()
    if len(catalogue) < 20 or struct.unpack_from("<I", catalogue)[0] != _MO_MAGIC:
        return None
    count, _, table = struct.unpack_from("<III", catalogue, 8)
    places = struct.iter_unpack("<II", catalogue[table + 8 : table + 8 * count])  # the first is its header
    told = [catalogue[start : start + length].partition(b"\0")[0] for length, start in places]
    return _plain(path.stem, "\n\n".join(text.decode("utf-8", "replace") for text in told if text.strip()))


def _plain(title: str, text: str) -> Extracted:
    return Extracted(text, title, "text/plain")


SOURCES = {
    "docstrings of Python": Source(_library, _docstrings),
    "docstrings of packages": Source(_under(PACKAGES, "**/*.py"), _docstrings),
    "documentation of packages": Source(_under(PACKAGES, "**/*.md", "**/*.rst", "**/METADATA"), _file),
    "documentation of the system": Source(
        _under(DOCUMENTATION, *(f"**/*.{kind}" for kind in ("txt", "md", "rst", "html", "txt.gz", "md.gz"))),
        _file,
    ),
    "manual in English": Source(_under(MANUALS, "man[1-8]/*.gz"), _manual),
    "manual in Chinese": Source(_under(MANUALS, "zh_*/man[1-8]/*.gz"), _manual),
    "messages in Chinese": Source(_under(MESSAGES, "zh_CN/LC_MESSAGES/*.mo"), _messages),
}
