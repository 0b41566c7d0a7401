"""A caller's JSON filter, compiled to SQL.

    {"year": {"$gte": 1990}, "$or": [{"tag": "tea"}, {"$not": {"document.language": "zh"}}]}

A name stands for a metadata field; ``document.`` in front of it for a column of the document.  A list
field meets a condition when one of its elements does.  Text that reads as an ISO 8601 time is also
compared with fields that hold times.  ``$ne`` and ``$nin`` hold where the field is missing, too.
Values are bound, never written into the statement; nesting and number of conditions are bounded.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.fields import RESERVED_PREFIX
from indexer.store.operands import VALUES_MAX, Value, check_scalar, listed, moment_of, shown
from indexer.store.storable import is_text
from indexer.store.tables import INDEXED_CHARACTERS, DocumentRow, FieldRow, PassageRow
from search.errors import InvalidFilter

Condition = sa.ColumnElement[bool]

EXAMPLE = '{"year": {"$gte": 1990}}'

DEPTH_MAX = 8
CONDITIONS_MAX = 100
"""In a whole filter: SQLite gives up on nearly a thousand, PostgreSQL plans two hundred for seconds."""
FILTERS_MAX = 2 * CONDITIONS_MAX
"""Objects in a whole filter, empty ones and those in lists too: nested lists multiply."""

DOCUMENT_COLUMNS: Mapping[str, Any] = {
    "document.key": DocumentRow.key,
    "document.title": DocumentRow.title,
    "document.source": DocumentRow.source,
    "document.media_type": DocumentRow.media_type,
    "document.language": DocumentRow.language,
    "document.authored_at": DocumentRow.authored_at,
    "document.modified_at": DocumentRow.modified_at,
    "document.created_at": DocumentRow.created_at,
    "document.updated_at": DocumentRow.updated_at,
}

_ORDERED: Mapping[str, Callable[[Any, Any], Condition]] = {
    "$gt": lambda column, value: column > value,
    "$gte": lambda column, value: column >= value,
    "$lt": lambda column, value: column < value,
    "$lte": lambda column, value: column <= value,
}
OPERATORS = ("$eq", "$ne", "$in", "$nin", "$exists", *_ORDERED)
COMBINERS = ("$and", "$or", "$not")


def compile_filter(connection: Connection, collection_id: int, given: Mapping[str, Any] | None) -> Condition:
    """Return the condition on ``documents`` that a filter states; no filter states nothing.

    Raises:
        InvalidFilter: an unknown operator, a malformed value, or a comparison of a field with a kind
            of value that it never holds in this collection.
    """
    return _Compiler(connection, collection_id).all_of({} if given is None else given, 0)


def matching_passages(connection: Connection, collection_id: int, given: Mapping[str, Any]) -> sa.Select[int]:
    """Return the query for the ids of all passages whose document meets the filter, ascending.

    It goes from documents to passages, so that a filter that few meet does not read them all.
    """
    condition = compile_filter(connection, collection_id, given)
    documents = sa.select(DocumentRow.id).where(DocumentRow.collection_id == collection_id, condition)
    return sa.select(PassageRow.id).where(PassageRow.document_id.in_(documents)).order_by(PassageRow.id)


def fields_of(given: Mapping[str, Any]) -> list[str]:
    """Return the metadata fields that a filter (one that was compiled) names, each once."""
    names: list[str] = []
    for name, value in given.items():
        if name in COMBINERS:
            names += [inner for part in ([value] if name == "$not" else value) for inner in fields_of(part)]
        elif not name.startswith(RESERVED_PREFIX):
            names.append(name)
    return list(dict.fromkeys(names))


class _Compiler:
    """Knows the collection, so that a comparison that can never hold is an error and not an empty page."""

    def __init__(self, connection: Connection, collection_id: int) -> None:
        self._connection = connection
        self._collection_id = collection_id
        self._kinds_held: dict[str, list[str]] = {}
        self._filters = 0
        self._conditions = 0
        self._values = 0

    def all_of(self, given: Any, depth: int) -> Condition:
        """Return the condition that all clauses of a filter hold; raise ``InvalidFilter`` for a wrong one."""
        if not isinstance(given, Mapping):
            raise InvalidFilter(
                f"a filter is an object of fields and conditions such as {EXAMPLE}, not {shown(given)}"
            )
        if depth > DEPTH_MAX:
            raise InvalidFilter(f"the filter is nested more than {DEPTH_MAX} deep")
        self._filters += 1
        if self._filters > FILTERS_MAX:
            raise InvalidFilter(f"the filter consists of more than {FILTERS_MAX} filters")
        return sa.and_(sa.true(), *(self._clause(name, value, depth) for name, value in given.items()))

    def _clause(self, name: str, value: Any, depth: int) -> Condition:
        if name == "$not":
            return sa.not_(self.all_of(value, depth + 1))
        if name in COMBINERS:
            return self._combined(name, value, depth)
        if name.startswith("$"):
            raise InvalidFilter(
                f"unknown operator {name!r}; here stand field names or {', '.join(COMBINERS)}", operator=name
            )
        return self._field(name, value)

    def _combined(self, name: str, value: Any, depth: int) -> Condition:
        if not isinstance(value, list) or not 1 <= len(value) <= CONDITIONS_MAX:
            raise InvalidFilter(f"{name} takes a list of 1 to {CONDITIONS_MAX} filters, not {shown(value)}")
        parts = [self.all_of(part, depth + 1) for part in value]
        return sa.and_(*parts) if name == "$and" else sa.or_(*parts)

    def _field(self, name: str, value: Any) -> Condition:
        if not is_text(name):
            raise InvalidFilter(f"the field's name {name!r} holds a character that is no text")
        conditions = value if isinstance(value, Mapping) else {"$eq": value}
        if not conditions:
            raise InvalidFilter(f"the field {name!r} has no condition", field=name)
        return sa.and_(
            *(self._condition(name, operator, operand) for operator, operand in conditions.items())
        )

    def _condition(self, name: str, operator: str, operand: Any) -> Condition:
        self._count(operand)
        match operator:
            case "$eq":
                return self._any_equal(name, [operand])
            case "$ne":
                return sa.not_(self._any_equal(name, [operand]))
            case "$in":
                return self._any_equal(name, listed(name, operator, operand))
            case "$nin":
                return sa.not_(self._any_equal(name, listed(name, operator, operand)))
            case "$exists":
                return self._exists(name, operand)
            case _ if operator in _ORDERED:
                return self._ordered(name, operator, operand)
        raise InvalidFilter(
            f"unknown operator {operator!r} on the field {name!r}; use one of {', '.join(OPERATORS)}",
            operator=str(operator),
            field=name,
        )

    def _count(self, operand: Any) -> None:
        self._conditions += 1
        self._values += len(operand) if isinstance(operand, list) else 1
        if self._conditions > CONDITIONS_MAX:
            raise InvalidFilter(f"the filter has more than {CONDITIONS_MAX} conditions")
        if self._values > VALUES_MAX:
            raise InvalidFilter(f"the filter compares with more than {VALUES_MAX} values")

    def _exists(self, name: str, operand: Any) -> Condition:
        if not isinstance(operand, bool):
            raise InvalidFilter(f"$exists on {name!r} takes true or false, not {shown(operand)}", field=name)
        column = _document_column(name)
        found = column.is_not(None) if column is not None else self._with_field(name, sa.true())
        return found if operand else sa.not_(found)

    def _any_equal(self, name: str, values: list[Any]) -> Condition:
        for value in values:
            check_scalar(name, value)
        column = _document_column(name)
        if column is not None:
            equal: Condition = column.in_([_for_column(name, column, value) for value in values])
            return sa.and_(column.is_not(None), equal)  # never NULL: its negation holds where it is missing
        self._check_kinds(name, values)
        return self._with_field(name, _equals_one_of(values))

    def _ordered(self, name: str, operator: str, operand: Any) -> Condition:
        check_scalar(name, operand)
        if isinstance(operand, bool):
            raise InvalidFilter(f"{operator} on {name!r}: true and false have no order", field=name)
        compare = _ORDERED[operator]
        column = _document_column(name)
        if column is not None:
            return sa.and_(column.is_not(None), compare(column, _for_column(name, column, operand)))
        self._check_kinds(name, [operand])
        if not isinstance(operand, str):
            return self._with_field(name, compare(FieldRow.number_value, float(operand)))
        moment = moment_of(operand)
        as_text = compare(FieldRow.text_value, operand)
        as_time = compare(FieldRow.time_value, moment) if moment else sa.false()
        return self._with_field(name, sa.or_(as_text, as_time))

    def _with_field(self, name: str, condition: Condition) -> Condition:
        holders = sa.select(FieldRow.document_id).where(
            FieldRow.collection_id == self._collection_id, FieldRow.name == name, condition
        )
        return DocumentRow.id.in_(holders)

    def _check_kinds(self, name: str, values: list[Any]) -> None:
        """Refuse to compare a field with values of a kind that it never holds, where it is held at all."""
        if name not in self._kinds_held:
            self._kinds_held[name] = [kind for kind, column in _KINDS.items() if self._holds(name, column)]
        held = self._kinds_held[name]
        for value in values:
            if held and not _comparable(value) & set(held):
                kinds = " or ".join(held)
                raise InvalidFilter(
                    f"the field {name!r} holds {kinds}; compare it with that, not with {shown(value)}",
                    field=name,
                    holds=held,
                )

    def _holds(self, name: str, column: Any) -> bool:
        held = sa.select(sa.literal(1)).where(
            FieldRow.collection_id == self._collection_id, FieldRow.name == name, column.is_not(None)
        )
        return self._connection.execute(held.limit(1)).first() is not None


_KINDS: Mapping[str, Any] = {
    "text": FieldRow.text_prefix,
    "numbers": FieldRow.number_value,
    "booleans": FieldRow.boolean_value,
    "times": FieldRow.time_value,
}


def _comparable(value: Value) -> set[str]:
    if isinstance(value, bool):
        return {"booleans"}
    if isinstance(value, int | float):
        return {"numbers"}
    return {"text", "times"} if moment_of(value) else {"text"}


def _equals_one_of(values: Sequence[Value]) -> Condition:
    texts = [value for value in values if isinstance(value, str)]
    short = [text for text in texts if len(text) < INDEXED_CHARACTERS]
    long = [text for text in texts if len(text) >= INDEXED_CHARACTERS]
    moments = [moment for moment in map(moment_of, texts) if moment]
    booleans = [value for value in values if isinstance(value, bool)]
    numbers = [float(value) for value in values if not isinstance(value, str | bool)]
    prefixes = [text[:INDEXED_CHARACTERS] for text in long]
    asked = (
        (short, FieldRow.text_prefix.in_(short)),
        (long, sa.and_(FieldRow.text_prefix.in_(prefixes), FieldRow.text_value.in_(long))),
        (moments, FieldRow.time_value.in_(moments)),
        (booleans, FieldRow.boolean_value.in_(booleans)),
        (numbers, FieldRow.number_value.in_(numbers)),
    )
    return sa.or_(*(condition for given, condition in asked if given))


def _document_column(name: str) -> Any:
    if not name.startswith(RESERVED_PREFIX):
        return None
    if name not in DOCUMENT_COLUMNS:
        raise InvalidFilter(f"a document has no {name!r}; it has {', '.join(DOCUMENT_COLUMNS)}", field=name)
    return DOCUMENT_COLUMNS[name]


def _for_column(name: str, column: Any, value: Value) -> str | datetime:
    if not isinstance(value, str):
        raise InvalidFilter(f"{name!r} is compared with text, not with {shown(value)}", field=name)
    if column.type.python_type is not datetime:
        return value
    moment = moment_of(value)
    if moment is None:
        raise InvalidFilter(
            f"{name!r} is a time; compare it with one such as 2024-05-01T12:00:00Z", field=name
        )
    return moment
