"""Which reader reads a source: its extension decides, and its first bytes have to agree.

The one way in for the pipeline: ``read_source``.  A name without an extension (``README``, standard
input) is decided by the first bytes alone.  Modules are imported when a source first needs them, so that
nobody waits for a PDF library to read a text.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from indexer.readers.base import Extracted, Limits, Reader, RecordFields, Refused
from indexer.readers.bounded import peek
from indexer.readers.signatures import HEAD_BYTES, OLE, PDF, ZIP, looks_like, looks_like_html
from search.errors import EmptyInput, UnknownFileType
from search.registry import Registry

READERS: Registry[Reader] = Registry(
    "reader",
    {
        "plain": "indexer.readers.plain:PlainReader",
        "markdown": "indexer.readers.markdown:MarkdownReader",
        "html": "indexer.readers.html:HtmlReader",
        "pdf": "indexer.readers.pdf:PdfTextReader",
        "docx": "indexer.readers.docx:DocxReader",
        "csv": "indexer.readers.tabular:CsvReader",
        "jsonl": "indexer.readers.jsonl:JsonLinesReader",
        "json": "indexer.readers.jsonl:JsonReader",
    },
)
OF_RECORDS = frozenset(("csv", "jsonl", "json"))

BY_EXTENSION = {
    ".txt": "plain",
    ".text": "plain",
    ".rst": "plain",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
}
CONTENT = {"pdf": (PDF,), "docx": (ZIP, OLE)}
"""What the first bytes must look like; all other readers take text, which looks like nothing here."""

EXTENSION = re.compile(r"[^/]\.([0-9]*[a-z][0-9a-z]{0,9})\Z", re.IGNORECASE | re.ASCII)
"""Letters and digits behind the last dot: ``notes v1.2`` and ``.profile`` have no extension."""


def read_source(
    stream: BinaryIO,
    name: str,
    records: RecordFields = RecordFields(),  # noqa: B008 - frozen
    file_bytes_max: int = Limits().file_bytes,
) -> Iterator[Extracted | Refused]:
    """Yield the documents of one source and what had to be refused of it, lazily and in order.

    Args:
        stream: opened in binary mode; need not be seekable, and is left open.
        name: what the user calls the source; the extension counts, and keys made from content start with it.
        records: the fields of CSV and JSON records that are key, title and text.
        file_bytes_max: limit on a source that has to be read whole; CSV and JSON Lines have none.

    Raises:
        SearchError: the source as a whole cannot be read; what was yielded before it is good.
    """
    kind = kind_by_extension(name)
    head, stream = peek(stream, HEAD_BYTES)
    if not head:
        raise EmptyInput(f"{name} is empty")
    kind = kind or kind_by_content(head)
    check_content(kind, head, name)
    limits = Limits(file_bytes=file_bytes_max)
    yield from reader_of(kind, records, limits).read(stream, name)


def readable_extensions() -> tuple[str, ...]:
    """Return every extension that is read, sorted."""
    return tuple(sorted(BY_EXTENSION))


def extension_of(name: str) -> str:
    """Return the extension of a name in lower case with its dot, or the empty string."""
    found = EXTENSION.search(name)
    return f".{found[1].lower()}" if found else ""


def kind_by_extension(name: str) -> str | None:
    """Return the reader for a name, ``None`` for one without extension; raise ``UnknownFileType``."""
    extension = extension_of(name)
    if not extension:
        return None
    if extension not in BY_EXTENSION:
        known = readable_extensions()
        message = f"{name}: {extension} files are not read; what is read: {', '.join(known)}"
        raise UnknownFileType(message, extension=extension, known=list(known))
    return BY_EXTENSION[extension]


def kind_by_content(head: bytes) -> str:
    """Return the reader for a source whose name says nothing."""
    found = looks_like(head)
    if found:
        return next((kind for kind, accepted in CONTENT.items() if found in accepted), "plain")
    return "html" if looks_like_html(head) else "plain"


def check_content(kind: str, head: bytes, name: str) -> None:
    """Raise ``UnknownFileType`` where the first bytes are not what a reader takes."""
    found = looks_like(head)
    accepted = CONTENT.get(kind)
    if found not in (accepted or (None,)):
        promise = (
            f"its name says {extension_of(name)} but its content" if extension_of(name) else "its content"
        )
        told = found or f"nothing that a {extension_of(name)} file begins with"
        raise UnknownFileType(f"{name}: {promise} looks like {told}", looks_like=found)


def reader_of(kind: str, records: RecordFields, limits: Limits) -> Reader:
    """Return a reader of one kind."""
    if kind in OF_RECORDS:
        return READERS.create(kind, records=records, limits=limits)
    return READERS.create(kind, limits=limits)
