"""CSV: a header row, then one record a row, one document a record.

Rows are read one by one, whatever the size of the file, from a sample's encoding and delimiter.  The
standard library's parser does the quoting, in its strict mode, so that malformed quotes are an error
and never guessed at.  A bad row costs that row.  Cells that are plainly numbers, truth values or dates
become such (see ``typed.py``); empty cells say nothing.

Called through ``catalog.py`` for ``.csv`` and ``.tsv``.
"""

import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from indexer.readers.base import MIB, Extracted, Limits, RecordFields, Refused
from indexer.readers.bounded import SKIP_BYTES, in_words, peek
from indexer.readers.decoding import declared_by_itself, detect_lines, lone_surrogates
from indexer.readers.records import first_given, keyed, listed, record_document, refused
from indexer.readers.typed import typed
from search.errors import (
    EmptyInput,
    InvalidEncoding,
    InvalidRecord,
    NoText,
    SearchError,
    TooLarge,
)

MEDIA_TYPE = "text/csv"
SAMPLE_BYTES = MIB
SAMPLE_ROWS = 50
DELIMITERS = (",", ";", "\t")

# The parser's own limit on a field, 128 KiB, is a setting of the process; ``Lines`` bounds whole records.
csv.field_size_limit(sys.maxsize)


@dataclass(frozen=True, slots=True)
class CsvReader:
    """Reads comma, semicolon or tab separated values in UTF-8, UTF-16, GB18030 or Big5."""

    records: RecordFields
    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield a document or a refusal for every row below the header."""
        sample, stream = peek(stream, SAMPLE_BYTES)
        encoding = encoding_of(sample, name)
        delimiter = delimiter_of(sample.decode(encoding, "replace"), self.records)
        lines = Lines(stream, encoding, self.limits.record_bytes, name)
        rows = Rows(lines, delimiter)
        header = checked_header(next(rows, None), name, self.records)
        found = False
        for row in rows:
            found = True
            yield self._document(row, header, name, rows.line)
        if not found:
            raise NoText(f"{name} has a header and no rows")

    def _document(
        self, row: list[str] | SearchError, header: list[str], name: str, line: int
    ) -> Extracted | Refused:
        try:
            return document_of(row, header, name, self.records)
        except SearchError as error:
            return refused(error, name, "line", line)


class Lines:
    """The lines of a stream as text, counted, and never more of one record than a limit.

    Bytes that are invalid in the encoding become lone surrogates, which give their row away; only
    UTF-16 cannot be read on after an error.
    """

    def __init__(self, stream: BinaryIO, encoding: str, limit_characters: int, name: str) -> None:
        errors = "strict" if encoding.startswith("utf-16") else "surrogateescape"
        self._text = io.TextIOWrapper(stream, encoding, errors, newline="")
        self._name = name
        self._limit = limit_characters
        self._left = limit_characters
        self.line = 0
        """Number of the last line read, from 1."""
        self.record_line = 1
        """Number of the line on which the present record begins."""

    def begin_record(self) -> None:
        """Note that the next line begins a record."""
        self.record_line = self.line + 1
        self._left = self._limit

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._readline(self._left + 1)
        if not line:
            raise StopIteration
        self.line += 1
        self._left -= len(line)
        if self._left < 0:
            self._skip(line)
            limit = in_words(self._limit)
            raise TooLarge(
                f"the row is longer than {limit}, the most a record may have; is a quote left open?"
            )
        return line

    def _readline(self, size: int) -> str:
        try:
            return self._text.readline(size)
        except UnicodeDecodeError:
            message = f"{self._name} is not valid UTF-16 after line {self.line}; save it as UTF-8"
            raise InvalidEncoding(message) from None

    def _skip(self, line: str) -> None:
        while line and not line.endswith(("\n", "\r")):
            line = self._readline(SKIP_BYTES)


class Rows:
    """The rows of ``Lines`` that are not blank; a malformed one comes as the error it is."""

    def __init__(self, lines: Lines, delimiter: str) -> None:
        self._lines = lines
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)

    @property
    def line(self) -> int:
        """Number of the line on which the last row began."""
        return self._lines.record_line

    def __iter__(self) -> Iterator[list[str] | SearchError]:
        return self

    def __next__(self) -> list[str] | SearchError:
        row: list[str] = []
        while not row:
            self._lines.begin_record()
            try:
                row = next(self._reader)
            except TooLarge as error:
                return error
            except csv.Error as error:
                return InvalidRecord(f"the row, which ends in line {self._lines.line}, is malformed: {error}")
        return row


def encoding_of(sample: bytes, name: str) -> str:
    """Return the codec of a file that begins with ``sample``."""
    if not sample:
        raise EmptyInput(f"{name} is empty")
    complete = len(sample) < SAMPLE_BYTES
    return declared_by_itself(sample) or detect_lines(sample, name, complete)


def delimiter_of(sample: str, fields: RecordFields) -> str:
    """Return the delimiter that explains ``sample`` best.

    One under which the header names a text field, then one that gives several columns, then the one
    whose rows agree most often with the header, then the one with most columns.
    """

    def merit(delimiter: str) -> tuple[bool, bool, float, int]:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        rows = [row for _, row in zip(range(SAMPLE_ROWS), reader, strict=False) if row]
        width = len(rows[0]) if rows else 0
        names = {name.strip("\ufeff \t") for name in rows[0]} if rows else set()
        agreeing = sum(len(row) == width for row in rows)
        return not names.isdisjoint(fields.text), width > 1, agreeing / max(1, len(rows)), width

    return max(DELIMITERS, key=merit)


def checked_header(row: list[str] | SearchError | None, name: str, fields: RecordFields) -> list[str]:
    """Return the columns' names; an unnamed one is called by its place (``column 3``).

    Raises:
        NoText: there is no header, or no column of it is a text field.
        InvalidRecord: two columns have the same name.
    """
    if row is None:
        raise NoText(f"{name} holds white space only")
    if isinstance(row, SearchError):
        raise type(row)(f"the header of {name} cannot be read: {row}")
    header = [cell.strip("\ufeff \t") or f"column {place}" for place, cell in enumerate(row, start=1)]
    if len(set(header)) < len(header):
        raise InvalidRecord(f"the header of {name} has two columns of the same name")
    if set(header).isdisjoint(fields.text):
        shown = ", ".join(header)[:200].encode(errors="replace").decode()
        raise NoText(
            f"{name} has no text column: expected {listed(fields.text)}, found {shown}; "
            "choose one with --text-field"
        )
    return header


def document_of(
    row: list[str] | SearchError, header: list[str], name: str, fields: RecordFields
) -> Extracted:
    """Return the document of one row, always with a key, or raise why it is none."""
    if isinstance(row, SearchError):
        raise row
    if len(row) != len(header):
        message = f"the row has {len(row)} columns where the header has {len(header)}"
        raise InvalidRecord(message, columns=len(row), expected=len(header))
    if any(map(lone_surrogates, row)):
        raise InvalidEncoding("the row holds bytes that are no text in the encoding of the file")
    cells = {column: cell for column, cell in zip(header, row, strict=True) if cell.strip()}
    special = {first_given(cells, names) for names in (fields.key, fields.title, fields.text)}
    record = {column: cell if column in special else typed(cell.strip()) for column, cell in cells.items()}
    return keyed(record_document(record, fields, MEDIA_TYPE), cells, name)
