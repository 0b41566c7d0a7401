"""Records as JSON: what the API sends and ``--json`` prints, to the letter."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

from search.errors import SearchError


def answer(value: Any) -> Any:
    """Return a record (or a list, mapping or scalar of them) as what ``json.dumps`` takes.

    Times are ISO 8601 in UTC with a ``Z``.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: answer(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): answer(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [answer(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def problem(error: SearchError) -> dict[str, Any]:
    """Return a deliberate failure as JSON: its stable code, its sentence and its facts."""
    facts: dict[str, Any] = answer(error.details)
    return {"code": error.code, "detail": str(error)} | facts
