"""One field of all documents of a collection, read at once: what maps are coloured by."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.store.fields import Element, names, value_of
from indexer.store.filters import DOCUMENT_COLUMNS
from indexer.store.tables import DocumentRow, FieldRow
from search.errors import InvalidInput
from search.registry import slip

Column = dict[int, list[Element]]
"""Document id -> its values of a field, in their order; documents without it are not there."""


def column(connection: Connection, collection_id: int, name: str) -> Column:
    """Return the values of a field of every document that has it.

    Raises:
        InvalidInput: no document has a field of this name.
    """
    if name in DOCUMENT_COLUMNS:
        return _own_column(connection, collection_id, DOCUMENT_COLUMNS[name])
    query = sa.select(FieldRow.__table__).where(
        FieldRow.collection_id == collection_id, FieldRow.name == name
    )
    found: Column = {}
    for row in connection.execute(query.order_by(FieldRow.document_id, FieldRow.ordinal)):
        value = value_of(row)
        if value is not None:
            found.setdefault(row.document_id, []).append(value)
    if not found:
        known = names(connection, collection_id)
        raise InvalidInput(
            f"no document has a field {name[:100]!r}{slip(name, [*known, *DOCUMENT_COLUMNS])}; "
            f"they have: {', '.join([*known[:20], 'document.language'])}",
            field=name[:100],
        )
    return found


def _own_column(connection: Connection, collection_id: int, fact: Any) -> Column:
    query = sa.select(DocumentRow.id, fact).where(DocumentRow.collection_id == collection_id)
    rows: Sequence[Any] = connection.execute(query).all()
    return {row[0]: [row[1]] for row in rows if row[1] not in (None, "")}
