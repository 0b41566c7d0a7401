"""Bulk requests: NDJSON lines in, one status a line out, in their order.

A bad line costs that line alone.  Lines are encoded and committed in batches; the status of a line is
yielded after the commit of its batch, so 200 or 201 means that it is stored and searchable.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from indexer.pipeline import BATCH_CHARACTERS, BATCH_DOCUMENTS, Incoming, Pipeline, checked, is_key
from indexer.readers.base import RecordFields
from indexer.readers.jsonl import parse_record
from indexer.readers.records import first_given, key_value, record_document
from indexer.records import LineStatus
from indexer.seen_keys import SeenKeys
from search.errors import DuplicateKey, InvalidRecord, SearchError, StorageFull, TooLarge

Pending = tuple[int, Incoming | SearchError, str | None]

_STATUS = {"created": 201, "updated": 200, "unchanged": 200}
_REFUSED = {"too_large": 413, "duplicate_key": 409}


def store_lines(pipeline: Pipeline, lines: Iterable[bytes], line_bytes_max: int) -> Iterator[LineStatus]:
    """Store the documents of ``lines``; yield the status of each line that is not blank."""
    pending: list[Pending] = []
    characters = 0
    with SeenKeys() as seen:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            pending.append(_read(number, line, line_bytes_max, seen))
            characters += len(line)
            if len(pending) >= BATCH_DOCUMENTS or characters >= BATCH_CHARACTERS:
                yield from _store(pipeline, pending)
                pending, characters = [], 0
        yield from _store(pipeline, pending)


def _read(number: int, line: bytes, line_bytes_max: int, seen: SeenKeys) -> Pending:
    key = None
    try:
        if len(line) > line_bytes_max:
            raise TooLarge(f"the line has {len(line)} bytes; at most {line_bytes_max} are read")
        record = parse_record(line.rstrip(b"\r\n"))
        key = _key(record)
        incoming = checked(_document(record))
        key = incoming.key
        if not seen.add(key):
            raise DuplicateKey(f"the key {key!r} stood in an earlier line of this request", key=key)
    except StorageFull:
        raise
    except SearchError as refusal:
        return number, refusal, key
    return number, incoming, key


def _key(record: Mapping[str, Any]) -> str | None:
    """Return the key of a record, so that a refusal can name it; None where the key itself is none."""
    field = first_given(record, RecordFields().key)
    try:
        key = key_value(record, field) if field else ""
    except InvalidRecord:
        return None
    return key if is_key(key) else None


def _document(record: Mapping[str, Any]) -> Incoming:
    extracted = record_document(record, RecordFields(), "application/json")
    if extracted.key is None:
        raise InvalidRecord("the record has no key; give it one under key, _id or id")
    return Incoming(extracted.key, extracted, source="api")


def _store(pipeline: Pipeline, pending: list[Pending]) -> Iterator[LineStatus]:
    batch = [found for _, found, _ in pending if isinstance(found, Incoming)]
    stored = {row.key: row for row in pipeline.store(batch)} if batch else {}
    for number, found, key in pending:
        if isinstance(found, SearchError):
            status = _REFUSED.get(found.code, 422)
            yield LineStatus(number, status, key=key, code=found.code, detail=str(found))
        else:
            row = stored[found.key]
            yield LineStatus(number, _STATUS[row.outcome], key=row.key, outcome=row.outcome)
