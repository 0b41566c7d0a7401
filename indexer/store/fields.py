"""Typed rows for a document's metadata, and back.

Numbers are kept as float64, so whole numbers beyond 2**53 are refused instead of being rounded.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.storable import is_text
from indexer.store.tables import INDEXED_CHARACTERS, FieldRow
from search.errors import InvalidRecord
from search.model import MetadataValue

NAME_CHARACTERS_MAX = 100
FIELDS_MAX = 200
ELEMENTS_MAX = 1000
EXACT_INTEGER_MAX = 2**53
RESERVED_PREFIX = "document."
"""Filters address a document's own columns under this prefix."""

Element = str | int | float | bool | datetime


def checked_metadata(metadata: Mapping[str, MetadataValue]) -> Mapping[str, MetadataValue]:
    """Return ``metadata``; raise ``InvalidRecord`` with one sentence where it cannot be stored as it is."""
    if len(metadata) > FIELDS_MAX:
        raise InvalidRecord(f"the metadata has {len(metadata)} fields; at most {FIELDS_MAX} are kept")
    for name, value in metadata.items():
        _check_name(name)
        elements: Sequence[Element] = value if isinstance(value, list) else [value]
        if len(elements) > ELEMENTS_MAX:
            raise InvalidRecord(f"the field {name!r} has over {ELEMENTS_MAX} elements", field=name)
        for element in elements:
            _check_element(name, element)
    return metadata


def _check_name(name: str) -> None:
    if not is_text(name):
        raise InvalidRecord("a field's name holds a character that is no text", field=ascii(name))
    if not 1 <= len(name) <= NAME_CHARACTERS_MAX or name.startswith("$"):
        raise InvalidRecord(
            f"a field's name has 1 to {NAME_CHARACTERS_MAX} characters and does not start with $",
            field=name[:NAME_CHARACTERS_MAX],
        )
    if name.startswith(RESERVED_PREFIX):
        raise InvalidRecord(f"the field {name!r} starts with the reserved {RESERVED_PREFIX!r}", field=name)


def _check_element(name: str, element: Any) -> None:
    match element:
        case bool():
            wrong = None
        case str():
            wrong = None if is_text(element) else "holds a character that is no text"
        case int():
            wrong = None if abs(element) <= EXACT_INTEGER_MAX else "is beyond 2**53; give it as text"
        case float():
            wrong = None if math.isfinite(element) else "is not a finite number"
        case datetime():
            wrong = None if _has_utc(element) else "is a time that has no date in UTC"
        case _:
            wrong = "is neither text, number, boolean nor a list of them"
    if wrong:
        raise InvalidRecord(f"the field {name!r} {wrong}", field=name)


def _has_utc(moment: datetime) -> bool:
    """Return whether a time can be told in UTC, which begins and ends with years 1 and 9999."""
    try:
        moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return False
    return True


def rows_of(
    collection_id: int, document_id: int, metadata: Mapping[str, MetadataValue]
) -> list[dict[str, Any]]:
    """Return the rows to insert for a document's checked metadata."""
    place = {"collection_id": collection_id, "document_id": document_id}
    return [place | row for name, value in metadata.items() for row in _rows(name, value)]


def _rows(name: str, value: MetadataValue) -> Iterable[dict[str, Any]]:
    if not isinstance(value, list):
        yield _row(name, -1, value)
        return
    if not value:
        yield _row(name, 0, None)
    elements: Sequence[Element] = value
    for ordinal, element in enumerate(elements):
        yield _row(name, ordinal, element)


def _row(name: str, ordinal: int, value: Element | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(
        ("text_value", "text_prefix", "number_value", "boolean_value", "time_value")
    )
    row |= {"name": name, "ordinal": ordinal, "kind": kind_of(value)}
    match value:
        case bool():
            row["boolean_value"] = value
        case int() | float():
            row["number_value"] = float(value)
        case datetime():
            row["time_value"] = value if value.tzinfo else value.replace(tzinfo=UTC)
        case str():
            row |= {"text_value": value, "text_prefix": value[:INDEXED_CHARACTERS]}
    return row


def holds(connection: Connection, collection_id: int, name: str) -> bool:
    """Return whether a document of the collection has the field ``name``."""
    mine = (FieldRow.collection_id == collection_id, FieldRow.name == name)
    return connection.execute(sa.select(sa.literal(1)).where(*mine).limit(1)).first() is not None


def names(connection: Connection, collection_id: int) -> list[str]:
    """Return the names of all fields that documents of the collection have, in order."""
    mine = sa.select(FieldRow.name).where(FieldRow.collection_id == collection_id).distinct()
    return list(connection.execute(mine.order_by(FieldRow.name)).scalars())


def kind_of(value: Element | None) -> str:
    """Return the name of a value's kind as the column ``kind`` holds it."""
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case datetime():
            return "time"
        case str():
            return "text"
        case None:
            return ""


_READ = (
    FieldRow.document_id,
    FieldRow.name,
    FieldRow.ordinal,
    FieldRow.kind,
    FieldRow.text_value,
    FieldRow.number_value,
    FieldRow.boolean_value,
    FieldRow.time_value,
)
_OF_DOCUMENTS = (
    sa.select(*_READ)
    .where(FieldRow.document_id.in_(sa.bindparam("documents", expanding=True)))
    .order_by(FieldRow.id)
)


def metadata_of(connection: Connection, document_ids: Iterable[int]) -> dict[int, dict[str, MetadataValue]]:
    """Return the metadata of each document, as it was given."""
    ids = list(document_ids)
    found: dict[int, dict[str, Any]] = {document_id: {} for document_id in ids}
    if not ids:
        return found
    for row in connection.execute(_OF_DOCUMENTS, {"documents": ids}).all():
        _put(found[row.document_id], row)
    return found


def _put(metadata: dict[str, Any], row: Any) -> None:
    value = value_of(row)
    if row.ordinal < 0:
        metadata[row.name] = value
        return
    elements = metadata.setdefault(row.name, [])
    if row.kind:
        elements.append(value)


def value_of(row: Any) -> Element | None:
    """Return the value that a row of the table holds; None of an empty list."""
    match row.kind:
        case "text":
            return str(row.text_value)
        case "integer":
            return int(row.number_value)
        case "number":
            return float(row.number_value)
        case "boolean":
            return bool(row.boolean_value)
        case "time":
            moment: datetime = row.time_value
            return moment
        case _:
            return None
