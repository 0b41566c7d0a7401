"""JSON Lines and JSON: every object is a record.

JSON Lines is read line by line with flat memory, however long the file: a line over the limit is passed
over in small pieces, and a broken line costs that line alone.  A ``.json`` file has to be parsed whole
and holds one object or an array of them.  Both are UTF-8, as their standard (RFC 8259) demands.

The parser is strict where Python's is not: NaN and Infinity, and an object that names a field twice,
are errors here, because either would lose something in silence.

Called through ``catalog.py`` for ``.jsonl``, ``.ndjson`` and ``.json``.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from indexer.readers.base import Extracted, Limits, RecordFields, Refused
from indexer.readers.bounded import in_words, read_line, read_whole
from indexer.readers.records import keyed, record_document, refused
from search.errors import EmptyInput, InvalidEncoding, InvalidRecord, NoText, SearchError, TooLarge

MEDIA_TYPE = "application/json"
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class JsonLinesReader:
    """Reads one object a line; blank lines are no records."""

    records: RecordFields
    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield a document or a refusal for every line that is not blank."""
        number, found = 0, False
        while line := self._next_line(stream, first=number == 0, name=name):
            number += 1
            if isinstance(line, TooLarge) or line.strip():
                found = True
                yield self._document(line, name, number)
        if not number:
            raise EmptyInput(f"{name} is empty")
        if not found:
            raise NoText(f"{name} holds white space only")

    def _next_line(self, stream: BinaryIO, first: bool, name: str) -> bytes | TooLarge:
        limit = self.limits.record_bytes
        line = read_line(stream, limit)
        if line is None:
            return TooLarge(f"the line is longer than {in_words(limit)}, the most a record may have")
        if first and line.startswith(UTF16_MARKS):
            raise InvalidEncoding(f"{name} is UTF-16, but JSON Lines is always UTF-8; save it as UTF-8")
        return line.removeprefix(codecs.BOM_UTF8) or b"\n" if first and line else line

    def _document(self, line: bytes | TooLarge, name: str, number: int) -> Extracted | Refused:
        if isinstance(line, TooLarge):
            return refused(line, name, "line", number)
        try:
            return keyed_document(parse_record(line.rstrip(b"\r\n")), self.records, name)
        except SearchError as error:
            return refused(error, name, "line", number)


@dataclass(frozen=True, slots=True)
class JsonReader:
    """Reads a file that is one JSON object or one array of objects."""

    records: RecordFields
    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield a document or a refusal for every object."""
        value = self._parsed(read_whole(stream, name, self.limits.file_bytes), name)
        if isinstance(value, dict):
            yield keyed_document(value, self.records, name)
        elif isinstance(value, list):
            for number, record in enumerate(value, start=1):
                yield self._document(record, name, number)
        else:
            raise InvalidRecord(f"{name} is neither a JSON object nor an array of objects")

    def _parsed(self, data: bytes, name: str) -> Any:
        data = data.removeprefix(codecs.BOM_UTF8)
        if not data.strip():
            raise NoText(f"{name} holds white space only")
        try:
            return parse(data)
        except InvalidRecord as error:
            hint = "; if every line is an object of its own, name the file .jsonl"
            raise InvalidRecord(f"{name} cannot be read: {error}{hint}") from None

    def _document(self, record: Any, name: str, number: int) -> Extracted | Refused:
        try:
            return keyed_document(checked_object(record), self.records, name)
        except SearchError as error:
            return refused(error, name, "record", number)


def keyed_document(record: dict[str, Any], fields: RecordFields, name: str) -> Extracted:
    """Return the document of a record of the source ``name``."""
    return keyed(record_document(record, fields, MEDIA_TYPE), record, name)


def parse_record(line: bytes) -> dict[str, Any]:
    """Return the one JSON object of ``line``; raise ``InvalidRecord`` or ``InvalidEncoding``."""
    return checked_object(parse(line))


def checked_object(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is an object."""
    if not isinstance(value, dict):
        raise InvalidRecord("the record is no JSON object")
    return value


def parse(data: bytes) -> Any:
    """Return the value of strict JSON in UTF-8.

    Raises:
        InvalidEncoding: the bytes are not UTF-8.
        InvalidRecord: they are no JSON, or nest too deeply, or name a field of an object twice.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=unique_fields, parse_constant=no_number)
    except UnicodeDecodeError as error:
        raise InvalidEncoding(f"it is not valid UTF-8: see byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column" if error.lineno > 1 else "column"
        raise InvalidRecord(f"it is no JSON: {error.msg} ({place} {error.colno})") from None
    except RecursionError:
        raise InvalidRecord("it nests objects or lists too deeply") from None
    except ValueError:  # Python refuses to read integers of thousands of digits
        raise InvalidRecord("it holds a whole number of too many digits") from None


def unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; a name that comes twice would hide its first value."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidRecord("an object names the same field twice")
    return fields


def no_number(constant: str) -> float:
    """Refuse what Python would read beyond JSON."""
    raise InvalidRecord(f"{constant} is no JSON number")
