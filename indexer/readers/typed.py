"""Text that is plainly a number, a truth value or a date becomes one; everything else stays text.

CSV and front matter hold nothing but text, yet filters compare numbers and dates.  The rules are narrow,
because a wrong guess destroys what was written: ``007``, ``+49``, ``1e5``, ``1,234``, ``NaN`` and ``yes``
stay text; ``7``, ``-0.50``, ``true`` and ``2024-05-01`` do not.

Called by the readers of records, Markdown and HTML.
"""

import re
from datetime import UTC, datetime

from indexer.readers.base import Scalar

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
"""At most 15 digits, which every kind of number holds exactly; what is longer is a name, not an amount."""

DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
MOMENT = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def typed(text: str) -> Scalar:
    """Return the number, truth value or time that ``text`` plainly is, else ``text`` itself."""
    if INTEGER.fullmatch(text):
        return int(text)
    if DECIMAL.fullmatch(text):
        return float(text)
    truth = TRUTH.get(text)
    return truth if truth is not None else text_or_moment(text)


def text_or_moment(text: str) -> str | datetime:
    """Return the time an ISO 8601 date or date-time names, else ``text`` itself."""
    return moment(text) or text


def moment(text: str) -> datetime | None:
    """Return the time in UTC; a date is its midnight, and a time without zone is taken as UTC."""
    if not MOMENT.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # 2024-02-30; 0001-01-01T00:00+14:00
        return None
