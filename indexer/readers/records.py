"""One record, one document: which of its values is key, title and text, and what becomes of the rest.

Everything that is neither becomes metadata, by one rule for every source of records:

- an object inside a record is flattened with dotted names (``author.name``); an object under the name
  ``metadata`` is flattened without a prefix;
- a list gives a list of values, and a list of objects one list per dotted name; whole numbers beside
  fractions become fractions, any other mixture is refused;
- null, empty lists and empty objects say nothing and are left out;
- ISO 8601 dates and date-times become times (in UTC), other text stays text;
- two values under one name, numbers that are no numbers (NaN, 1e999) and characters that no database
  holds (U+0000, lone surrogates) are refused.

The CSV and JSON readers call this; so does the bulk edge, whose lines are records too.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from indexer.readers.base import Extracted, FieldValue, RecordFields, Refused, Scalar
from indexer.readers.decoding import lone_surrogates, unix_lines
from indexer.readers.typed import text_or_moment
from search.errors import InvalidRecord, NoText, SearchError

INTEGER_MAX = 2**53
"""Beyond it a float is not exact any more, so such a number cannot be compared with others."""

FieldPath = tuple[str, ...]
"""The names from the record down to a value."""

UNPREFIXED = "metadata"
DIGEST_CHARACTERS = 16


def record_document(record: Mapping[str, Any], fields: RecordFields, media_type: str) -> Extracted:
    """Return the document of one record; its key is ``None`` where the record has none of its own.

    Raises:
        NoText: none of the text fields holds any text.
        InvalidRecord: a value is not what its field needs, or cannot be stored.
    """
    text_field = first_given(record, fields.text)
    if text_field is None:
        raise NoText(f"the record has no text; it is expected under {listed(fields.text)}")
    title_field = first_given(record, fields.title)
    key_field = first_given(record, fields.key)
    used = {text_field, title_field, key_field}
    return Extracted(
        text=unix_lines(text_value(record, text_field)),
        title=text_value(record, title_field).strip() if title_field else "",
        media_type=media_type,
        key=key_value(record, key_field) if key_field else None,
        fields=metadata({name: value for name, value in record.items() if name not in used}),
    )


def keyed(document: Extracted, record: Mapping[str, Any], name: str) -> Extracted:
    """Return ``document`` with a key: its own, else its source and a digest of all the record holds."""
    if document.key is not None:
        return document
    canonical = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    return replace(document, key=f"{name}#{digest}")


def refused(error: SearchError, name: str, place: str, number: int) -> Refused:
    """Return the refusal of one record of the source ``name``; ``place`` is ``line`` or ``record``."""
    error.details[place] = number
    return Refused(f"{name}, {place} {number}", error)


def first_given(record: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """Return the first of ``names`` whose value is neither absent, null nor blank."""
    for name in names:
        value = record.get(name)
        if value is not None and not (isinstance(value, str) and not value.strip()):
            return name
    return None


def text_value(record: Mapping[str, Any], name: str) -> str:
    """Return the value of a field that must be text."""
    value = record[name]
    if not isinstance(value, str):
        raise InvalidRecord(f"the field {name!r} must be text, not {kind(value)}", field=name)
    return storable_text(value, name)


def key_value(record: Mapping[str, Any], name: str) -> str:
    """Return the record's own key: text as it stands, or a whole number in digits."""
    value = record[name]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        given = "a fraction" if isinstance(value, float) else kind(value)
        message = f"the key in {name!r} must be text or a whole number, not {given}"
        raise InvalidRecord(message, field=name)
    return storable_text(value, name)


def metadata(record: Mapping[str, Any]) -> dict[str, FieldValue]:
    """Return the typed fields of what is left of a record, in order."""
    paths: dict[str, FieldPath] = {}
    fields: dict[str, FieldValue] = {}
    lists: dict[str, list[Scalar]] = {}
    for path, value, in_list in leaves(record):
        name = dotted(path)
        scalar = checked_scalar(value, name)
        if paths.setdefault(name, path) != path or name in fields:
            raise InvalidRecord(f"there are two values under the name {name!r}; rename one", field=name)
        if in_list:
            lists.setdefault(name, []).append(scalar)
        else:
            fields[name] = text_or_moment(scalar) if isinstance(scalar, str) else scalar
    return {**fields, **{name: one_kind(values, name) for name, values in lists.items()}}


def leaves(record: Mapping[str, Any]) -> Iterator[tuple[FieldPath, Any, bool]]:
    """Yield path, value and whether a list is on the way, for every value in document order.

    Works on a stack of its own: a record may nest deeper than Python calls.
    """
    waiting: list[tuple[FieldPath, Any, bool]] = [((), record, False)]
    while waiting:
        path, value, in_list = waiting.pop()
        if isinstance(value, dict):
            waiting += [((*path, name), item, in_list) for name, item in reversed(value.items())]
        elif isinstance(value, list):
            waiting += [(path, item, True) for item in reversed(value)]
        elif value is not None:
            yield path, value, in_list


def dotted(path: FieldPath) -> str:
    """Return the name of a field; what stands inside ``metadata`` has no prefix."""
    return ".".join(path[1:] if path[0] == UNPREFIXED and len(path) > 1 else path)


def checked_scalar(value: Any, name: str) -> Scalar:
    """Return ``value`` if it can be stored and compared as it is."""
    storable_text(name, name)
    if isinstance(value, str):
        return storable_text(value, name)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRecord(f"the field {name!r} holds a number that is not finite", field=name)
    if isinstance(value, int) and abs(value) > INTEGER_MAX:
        raise InvalidRecord(f"the field {name!r} is a whole number beyond 2**53; give it as text", field=name)
    return cast(Scalar, value)


def one_kind(values: list[Scalar], name: str) -> FieldValue:
    """Return a list whose values are all of one type."""
    kinds = {type(value) for value in values}
    if kinds == {int, float}:
        return [float(cast(float, value)) for value in values]
    if len(kinds) > 1:
        mixture = " and ".join(sorted({kind(value) for value in values}))
        raise InvalidRecord(f"the list in {name!r} mixes {mixture}; give it one kind of value", field=name)
    return cast(FieldValue, values)


def storable_text(text: str, name: str) -> str:
    """Return ``text`` if every character of it can be stored."""
    if "\0" in text or lone_surrogates(text):
        shown = name.encode("ascii", "backslashreplace").decode()
        message = f"the field {shown!r} holds a character that is no text (U+0000 or half a surrogate pair)"
        raise InvalidRecord(message, field=shown)
    return text


def kind(value: Any) -> str:
    """Return what people call the type of a value."""
    names: dict[type, str] = {bool: "true or false", str: "text", list: "a list", datetime: "a time"}
    return "an object" if isinstance(value, Mapping) else names.get(type(value), "a number")


def listed(names: tuple[str, ...]) -> str:
    """Return names as a sentence has them: ``text, content or body``."""
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))
