"""PDF: the text layer, page by page.

pypdf reads damaged files as far as it can and keeps silent about the rest, which here would lose pages
unseen; so a file that does not end as a PDF ends is refused first.  What it raises on malformed input is
as varied as Python's own exceptions; they are caught at its calls and nowhere else.

Called through ``catalog.py`` for ``.pdf``.
"""

import io
import logging
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

from pypdf import PasswordType, PdfReader
from pypdf.errors import LimitReachedError, PyPdfError

from indexer.readers.base import Extracted, Limits, Refused
from indexer.readers.bounded import read_whole
from indexer.readers.composing import Composer, one_line, storable
from indexer.readers.decoding import unix_lines
from indexer.readers.plain import name_as_title
from search.errors import BrokenFile, EncryptedFile, NoText, TooLarge

TAIL_BYTES = 1024
"""The end mark stands in a PDF's last kilobyte, as every viewer expects."""

FIELDS = {"/Author": "author", "/Subject": "subject", "/Keywords": "keywords"}
MOMENT = re.compile(
    r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|(?P<sign>[+-])(?P<hours>\d\d)'?(?P<minutes>\d\d)?)?",
    re.ASCII,
)

# What pypdf remarks while it works around a file's oddities is not for the people who read that file.
logging.getLogger("pypdf").setLevel(logging.ERROR)

MALFORMED = (
    PyPdfError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pypdf lets escape on input that breaks the format."""


@dataclass(frozen=True, slots=True)
class PdfTextReader:
    """Reads the text layer of a PDF; pages keep their numbers."""

    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the one document.

        Raises:
            EncryptedFile: the file asks for a password.
            BrokenFile: it is damaged or cut short.
            TooLarge: it has too many pages or unpacks to too much.
            NoText: no page has a text layer.
        """
        data = read_whole(stream, name, self.limits.file_bytes)
        if b"%%EOF" not in data.rstrip(b"\0 \t\r\n")[-TAIL_BYTES:]:
            raise BrokenFile(f"{name} is cut short: a PDF's end is missing; get the file again")
        reader = opened(data, name)
        composer = self._composed(reader, name)
        if not composer.text.strip(" \n\ufffd"):
            raise NoText(
                f"{name} has no text layer; it may be a scan, which needs text recognition (OCR) first"
            )
        info = information(reader, name)
        yield Extracted(
            text=composer.text,
            title=info.get("/Title") or name_as_title(name),
            media_type="application/pdf",
            page_starts=tuple(composer.page_starts),
            created_at=moment(info.get("/CreationDate", "")),
            modified_at=moment(info.get("/ModDate", "")),
            fields={field: info[key] for key, field in FIELDS.items() if key in info},
        )

    def _composed(self, reader: PdfReader, name: str) -> Composer:
        composer = Composer()
        for number in range(page_count(reader, name, self.limits.pages)):
            composer.page(unix_lines(page_text(reader, number, name)))
            if composer.length > self.limits.text_characters:
                limit = self.limits.text_characters
                raise TooLarge(f"{name} holds more than {limit} characters of text", limit_characters=limit)
        return composer


def opened(data: bytes, name: str) -> PdfReader:
    """Return pypdf's reader, unlocked where the empty password unlocks it."""
    try:
        reader = PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED
    except MALFORMED as error:
        raise broken(name) from error
    if locked:
        raise EncryptedFile(f"{name} is protected by a password; save it without one")
    return reader


def page_count(reader: PdfReader, name: str, limit: int) -> int:
    """Return how many pages there are, at least one."""
    try:
        count = len(reader.pages)
    except MALFORMED as error:
        raise broken(name) from error
    if count > limit:
        raise TooLarge(f"{name} has {count} pages; at most {limit} are read; split it", limit_pages=limit)
    if count < 1:
        raise broken(name)
    return count


def page_text(reader: PdfReader, number: int, name: str) -> str:
    """Return the text layer of a page, counted from 0."""
    try:
        text: str = reader.pages[number].extract_text()
        return text
    except LimitReachedError as error:
        raise TooLarge(
            f"page {number + 1} of {name} unpacks to more than is safe to read", page=number + 1
        ) from error
    except MALFORMED as error:
        raise BrokenFile(
            f"page {number + 1} of {name} is damaged; get the file again", page=number + 1
        ) from error


def information(reader: PdfReader, name: str) -> dict[str, str]:
    """Return those texts of the document information that are kept, on one line each."""
    try:
        info = reader.metadata or {}
        found = {key: info[key] for key in (*FIELDS, "/Title", "/CreationDate", "/ModDate") if key in info}
    except MALFORMED as error:
        raise broken(name) from error
    texts = {key: one_line(storable(value)) for key, value in found.items() if isinstance(value, str)}
    return {key: text for key, text in texts.items() if text}


def moment(text: str) -> datetime | None:
    """Return a PDF date (``D:20240501083000+08'00'``, each part but the year optional) in UTC.

    Dates are often written wrongly; such a one tells nothing and is ``None``.
    """
    found = MOMENT.match(text)
    if not found:
        return None
    digits = zip(found.group(1, 2, 3, 4, 5, 6), ("", "1", "1", "0", "0", "0"), strict=True)
    year, month, day, hour, minute, second = (int(part or default) for part, default in digits)
    sign = -1 if found["sign"] == "-" else 1
    offset = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0))
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC) - sign * offset
    except (ValueError, OverflowError):
        return None


def broken(name: str) -> BrokenFile:
    """Return the refusal of a file that pypdf cannot follow."""
    return BrokenFile(f"{name} is damaged and cannot be read as a PDF; get the file again")
