"""What a filter may compare with, and how a value is read and shown.

A malformed value is refused with a sentence before any SQL is made of it.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

from indexer.store.fields import EXACT_INTEGER_MAX
from indexer.store.storable import is_text
from search.errors import InvalidFilter

Value = str | int | float | bool

VALUES_MAX = 1000
"""In a whole filter."""


def listed(name: str, operator: str, operand: Any) -> list[Any]:
    """Return ``operand``; raise ``InvalidFilter`` unless it is a list of values, and not too long."""
    if not isinstance(operand, list) or not 1 <= len(operand) <= VALUES_MAX:
        raise InvalidFilter(
            f"{operator} on {name!r} takes a list of 1 to {VALUES_MAX} values, not {shown(operand)}",
            field=name,
        )
    return operand


def check_scalar(name: str, value: Any) -> None:
    """Raise ``InvalidFilter`` unless ``value`` is of a kind that a field can hold exactly."""
    if value is None:
        raise InvalidFilter(
            f"the field {name!r} cannot be compared with null; documents without it meet "
            f'{{{json.dumps(name, ensure_ascii=False)}: {{"$exists": false}}}}',
            field=name,
        )
    if not isinstance(value, str | int | float | bool):
        raise InvalidFilter(
            f"the field {name!r} is compared with text, a number or a boolean, not with {shown(value)}",
            field=name,
        )
    if isinstance(value, str) and not is_text(value):
        raise InvalidFilter(f"{name!r}: {shown(value)} holds a character that is no text", field=name)
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidFilter(f"{name!r}: {value} is not a finite number", field=name)
    if isinstance(value, int) and abs(value) > EXACT_INTEGER_MAX:
        raise InvalidFilter(f"{name!r}: {shown(value)} is beyond 2**53, and so is no number here", field=name)


def moment_of(text: str) -> datetime | None:
    """Return the UTC time that an ISO 8601 text names; a time without a zone is UTC."""
    if len(text) < len("2024-05-01"):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # no time, or one whose date in UTC would be before year 1
        return None


def shown(value: Any) -> str:
    """Return a value as a message shows it: as JSON, text between single quotes, cut where it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."
