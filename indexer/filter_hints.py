"""Which fields a filter names that no document has: by a slip, an empty answer looks like a true one.

The shell tells them beside the answer.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from indexer.service import Service
from indexer.store import collections, fields
from indexer.store.filters import DOCUMENT_COLUMNS, fields_of
from search.registry import nearest

NAMES_SHOWN = 10


def unknown_fields(service: Service, collection: str, given: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence for each field of a filter (one that was compiled) that no document has."""
    with service.database.read() as connection:
        found = collections.find(connection, collection)
        if found is None or given is None:
            return []
        missing = [name for name in fields_of(given) if not fields.holds(connection, found.id, name)]
        known = fields.names(connection, found.id) if missing else []
    return [
        f"no document of {collection!r} has the field {name!r}; {_others(name, known)}" for name in missing
    ]


def _others(name: str, known: Sequence[str]) -> str:
    fact = f"document.{name}"
    near = [fact] if fact in DOCUMENT_COLUMNS else nearest(name, known)
    if near:
        return f"the nearest there {'is' if len(near) == 1 else 'are'}: {', '.join(near)}"
    if not known:
        return "none of them has any but those that begin with document."
    more = f" and {len(known) - NAMES_SHOWN} more" if len(known) > NAMES_SHOWN else ""
    return f"there are: {', '.join(known[:NAMES_SHOWN])}{more}"
