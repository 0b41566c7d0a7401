"""A document's fields as a text: what an encoder that reads fields is handed in place of a passage's words.

One JSON object, its names in order; a time is ``{"time": ISO 8601 in UTC}``, so that no text passes for one.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from search.model import MetadataValue

TIME = "time"


def written(fields: Mapping[str, MetadataValue]) -> str:
    """Return the text of a document's fields; equal fields have equal texts."""
    return json.dumps(dict(fields), ensure_ascii=False, sort_keys=True, default=_time)


def read(text: str) -> dict[str, Any]:
    """Return the fields that ``written`` wrote, times as ``datetime``."""
    return {name: _read(value) for name, value in json.loads(text).items()}


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(element) for element in value]
    return datetime.fromisoformat(value[TIME]) if isinstance(value, dict) else value


def _time(value: Any) -> dict[str, str]:
    moment: datetime = value if value.tzinfo else value.replace(tzinfo=UTC)
    return {TIME: moment.astimezone(UTC).isoformat()}
