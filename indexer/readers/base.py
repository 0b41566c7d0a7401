"""What a reader gives: documents as they stand in a source, and what it had to refuse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol

from search.errors import SearchError

Scalar = str | int | float | bool | datetime
FieldValue = Scalar | list[str] | list[int] | list[float] | list[bool]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of the text: where its line starts, its level (1 is the topmost) and its words."""

    start: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Extracted:
    """One document as its reader found it; offsets are code points of ``text``."""

    text: str
    title: str
    media_type: str
    key: str | None = None
    """The record's own key; ``None`` where the caller names the document (files, standard input)."""
    headings: tuple[Heading, ...] = ()
    page_starts: tuple[int, ...] = ()
    """Offset at which each page begins, page 1 first; empty where the format has no pages."""
    created_at: datetime | None = None
    modified_at: datetime | None = None
    fields: Mapping[str, FieldValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """One record or file that could not be taken: where it stands and why; reading goes on after it."""

    where: str
    error: SearchError


@dataclass(frozen=True, slots=True)
class RecordFields:
    """Which fields of a CSV or JSONL record are its key, title and text; the rest becomes metadata."""

    key: tuple[str, ...] = ("key", "_id", "id")
    title: tuple[str, ...] = ("title",)
    text: tuple[str, ...] = ("text", "content", "body")


class Reader(Protocol):
    """Reads one kind of source; holds at most one record of it in memory."""

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the documents of ``stream``, lazily.

        ``name`` is what the user calls the source (a file name, never a local path in messages).
        A source that cannot be read at all raises a ``SearchError``; a bad record among good ones
        is yielded as ``Refused``.
        """
        ...
