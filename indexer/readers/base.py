"""What a reader gives: documents as they stand in a source, and what it had to refuse.

Every reader fills the same records, so that the pipeline never asks which format a document came
from.  ``indexer/readers/catalog.py`` picks the reader; nobody else needs to know one by name.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from search.errors import SearchError

Scalar = str | int | float | bool | datetime
FieldValue = Scalar | list[str] | list[int] | list[float] | list[bool]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the text: where its line starts, its level (1 is the topmost) and its words.

    The line runs to the next newline or to the end of the text.
    """

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """One document as its reader found it; offsets are code points of ``text``.

    ``text`` has U+000A for every line end, and neither U+0000 nor lone surrogates: what no database
    can hold never leaves a reader.
    """

    text: str
    title: str
    media_type: str
    key: str | None = None
    """The record's own key; ``None`` where the caller names the document (files, standard input)."""
    headings: tuple[Heading, ...] = ()
    page_starts: tuple[int, ...] = ()
    """Offset at which each page begins, page 1 first; empty where the format has no pages."""
    language: str | None = None
    """Language tag as the source declares it (``zh-CN``); ``None`` where it declares none."""
    created_at: datetime | None = None
    modified_at: datetime | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """One record or file that could not be taken, and why; reading goes on after it."""

    where: str
    """Its place, complete in itself: ``notes.jsonl, line 7``; in a walk the key it would have had."""
    error: SearchError


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Which fields of a CSV or JSON record are its key, title and text; the rest becomes metadata.

    Of several names the first whose value is not blank is taken; the others are metadata too.
    """

    key: tuple[str, ...] = ("key", "_id", "id")
    title: tuple[str, ...] = ("title",)
    text: tuple[str, ...] = ("text", "content", "body")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one source may ask for; what is over is refused as ``TooLarge``, never cut.

    CSV and JSON Lines are read record by record and have no limit on the whole.
    """

    file_bytes: int = 64 * MIB
    """A file that has to be read whole: text, Markdown, HTML, PDF, DOCX, JSON."""
    record_bytes: int = 16 * MIB
    """One line of JSON Lines; for CSV the characters of one record."""
    unpacked_bytes: int = 256 * MIB
    """Everything an archive (DOCX) says it holds."""
    part_bytes: int = 32 * MIB
    """One part of an archive: as a tree it takes ten times that and more."""
    pages: int = 10_000
    text_characters: int = 64 * MIB
    """Text drawn out of one compressed file (PDF, DOCX)."""


class Reader(Protocol):
    """Reads one kind of source; of a stream of records it holds one in memory, of a file the whole."""

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the documents of ``stream``, lazily and in order; the stream need not be seekable.

        ``name`` is what the user calls the source (a file name, never a local path in messages).
        A source that cannot be read at all raises a ``SearchError``; a bad record among good ones
        is yielded as ``Refused``.
        """
        ...
