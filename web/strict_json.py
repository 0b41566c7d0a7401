"""JSON as the standard says it, and one meaning for every text.

Python's parser takes more than JSON: NaN, infinities, half surrogate pairs, bytes that are no
UTF-8, and of two members with one name it keeps the last.  Each of these would be repaired or
dropped without a word, or fail much later, so each is refused here with a sentence.

The app uses ``StrictJSONProvider`` for every body and answer; ``json_object`` reads JSON that
came in a query parameter.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from flask.json.provider import DefaultJSONProvider

from search.errors import InvalidInput

NESTING_MAX = 500
"""Far deeper than anything means, and half of what Python's own functions can follow."""
SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class StrictJSONProvider(DefaultJSONProvider):
    """Flask's JSON with strict reading; members are written in the records' own order, as UTF-8."""

    ensure_ascii = False
    sort_keys = False

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return JSON text; a NaN or infinity among our own numbers is a bug and raises ``ValueError``."""
        return super().dumps(obj, allow_nan=False, **kwargs)

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Return the value of JSON text; raise ``ValueError`` with a sentence for anything else."""
        return parse(s if isinstance(s, str) else _decoded(s))


def json_object(text: str, what: str) -> dict[str, Any]:
    """Return the JSON object that ``text`` holds; ``what`` names the parameter in the error.

    Raises:
        InvalidInput: the text is no JSON, or its value is no object.
    """
    try:
        value = parse(text)
    except ValueError as error:
        raise InvalidInput(f"{what!r} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidInput(f"{what!r} should be a JSON object")
    return value


def parse(text: str) -> Any:
    """Return the value of JSON text; raise ``ValueError`` with a sentence for anything else."""
    try:
        value = json.loads(
            text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_distinct
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if text.count("[") + text.count("{") > NESTING_MAX:
        _refuse_deep(value)
    if SURROGATE_ESCAPE.search(text):
        _refuse_half_pairs(value)
    return value


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:20]} is too large")
    return number


def _distinct(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = [name for name, _ in members]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the member {twice[:100]!r} is given more than once")
    return found


def _refuse_deep(value: Any) -> None:
    level, depth = [value], 1
    while level := [part for whole in level for part in _parts(whole)]:
        depth += 1
        if depth > NESTING_MAX:
            raise ValueError(f"it is nested more than {NESTING_MAX} deep")


def _parts(value: Any) -> Iterable[Any]:
    """Return the members of an array or object that may hold others."""
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [member for member in members if isinstance(member, dict | list)]


def _refuse_half_pairs(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = ord(error.object[error.start])
        raise ValueError(f"\\u{half:04x} is half of a surrogate pair and no character") from None
