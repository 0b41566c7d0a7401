"""``features``: a document's own fields as a vector, the same for all of its passages.

Each field that was declared has a part of its own, of length 1 where the document has the field and of zeros
where it has not, times the square root of its weight.  So the cosine of two documents that have all fields is
the weighted mean of what their fields say:

- a number or a time is standardised to z, and its part is (1, z) made one long: the one beside it keeps apart
  what lies on the same side of the mean, which a bare z would call the same;
- a boolean, and text or a list of it (``tags``), is multi-hot: the part's product is the cosine of two sets.

A value of another kind than was declared counts as missing; so does a tag that is not among the most
frequent.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from search.arrays import Matrix, Vector, unit_rows
from search.encoders.base import Role
from search.encoders.fitted.base import Fit
from search.encoders.fitted.document_fields import read
from search.errors import InvalidInput
from search.registry import slip
from search.text.analyzer import Analyzer

FILE = "features.json"
MEASURED, BOOLEAN, TAGS = ("number", "time"), "boolean", "tags"
KINDS = (*MEASURED, BOOLEAN, TAGS)
VALUES_MAX = 200
"""Most frequent values of a field of tags that have a place of their own."""
FIELDS_MAX = 50
WEIGHT_MAX = 100.0


@dataclass(frozen=True, slots=True)
class Declared:
    """A field that counts, as what, and how much."""

    name: str
    kind: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Learned(Declared):
    """A field and what was learned of it."""

    mean: float = 0.0
    deviation: float = 1.0
    """Of all documents that have it; 1 where they do not differ."""
    values: Sequence[str] = ()
    """Of a field that is multi-hot, in order."""

    @property
    def width(self) -> int:
        """How many numbers it takes."""
        return 2 if self.kind in MEASURED else len(self.values)

    def part(self, value: Any) -> Vector:
        """Return the part ``(width,)`` of a document whose field has a value (None: it has none)."""
        part = np.zeros(self.width, dtype=np.float64)
        if self.kind in MEASURED:
            number = measure(self.kind, value)
            if number is not None:
                part[:] = 1, (number - self.mean) / self.deviation
        else:
            held = set(labels(self.kind, value))
            part[:] = [value in held for value in self.values]
        length = float(np.linalg.norm(part))
        return np.asarray(part / (length or 1.0) * sqrt(self.weight), dtype=np.float32)


class Features:
    """Serves what ``fit_features`` has written; reads fields, not words."""

    def __init__(self, fields: Sequence[Learned]) -> None:
        self._fields = fields
        self.dimension = sum(field.width for field in fields)

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows of documents given as texts of their fields; zeros where none is known."""
        rows = [self._row(read(text)) for text in texts]
        return unit_rows(np.stack(rows) if rows else np.empty((0, self.dimension), dtype=np.float32))

    def _row(self, document: Mapping[str, Any]) -> Vector:
        return np.concatenate([field.part(document.get(field.name)) for field in self._fields])


def declared(given: Sequence[Mapping[str, Any]]) -> list[Declared]:
    """Return declarations that were given as JSON: ``name``, ``kind``, and ``weight`` (by default 1).

    Raises:
        InvalidInput: one of them is none, or there are none or too many.
    """
    if not 1 <= len(given) <= FIELDS_MAX:
        raise InvalidInput(f"features is made of 1 to {FIELDS_MAX} declared fields, not {len(given)}")
    fields = [_declared(**one) for one in given]
    names = Counter(field.name for field in fields)
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise InvalidInput(f"the field {twice[:100]!r} is declared twice; declare it once")
    return fields


def _declared(name: str, kind: str, weight: float = 1.0) -> Declared:
    if kind not in KINDS:
        raise InvalidInput(
            f"the field {name[:100]!r} cannot be {kind[:100]!r}{slip(kind, KINDS)}; "
            f"choose one of: {', '.join(KINDS)}"
        )
    if not (isfinite(weight) and 0 < weight <= WEIGHT_MAX):
        raise InvalidInput(
            f"the field {name[:100]!r} has the weight {weight:g}; give one above 0, up to {WEIGHT_MAX:g}"
        )
    return Declared(name, kind, float(weight))


def measure(kind: str, value: Any) -> float | None:
    """Return a number or a time (seconds since 1970) as a number; None of any other value."""
    if kind == "time":
        return value.timestamp() if isinstance(value, datetime) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def labels(kind: str, value: Any) -> list[str]:
    """Return the values that a multi-hot part may have a place for; none of a value of another kind."""
    if kind == BOOLEAN:
        return [str(value).lower()] if isinstance(value, bool) else []
    several = value if isinstance(value, list) else [value]
    return [one for one in several if isinstance(one, str)]


def fit_features(fit: Fit) -> None:
    """Learn means, deviations and frequent values of the fields that the options declare.

    Raises:
        InvalidInput: no document has one of them as it was declared.
    """
    documents = [read(passage.text) for passage in fit.passages]
    fields = [_learned(field, documents) for field in declared(fit.options["fields"])]
    (fit.output / FILE).write_text(
        json.dumps([asdict(field) for field in fields], ensure_ascii=False), "utf-8"
    )
    fit.progress(1, 1)


def _learned(field: Declared, documents: Sequence[Mapping[str, Any]]) -> Learned:
    values = [document[field.name] for document in documents if field.name in document]
    if field.kind in MEASURED:
        numbers = [
            number for number in (measure(field.kind, value) for value in values) if number is not None
        ]
        if numbers:
            return Learned(
                **asdict(field), mean=float(np.mean(numbers)), deviation=float(np.std(numbers)) or 1.0
            )
    else:
        counts = Counter(label for value in values for label in set(labels(field.kind, value)))
        frequent = sorted(counts, key=lambda label: (-counts[label], label))[:VALUES_MAX]
        if frequent:
            return Learned(**asdict(field), values=sorted(frequent))
    raise InvalidInput(_unusable(field, values, documents), field=field.name[:100])


def _unusable(field: Declared, values: Sequence[Any], documents: Sequence[Mapping[str, Any]]) -> str:
    if values:
        example = json.dumps(values[0], ensure_ascii=False, default=str)[:60]
        return f"the field {field.name[:100]!r} holds no {field.kind} anywhere, but such as {example}"
    known = sorted({name for document in documents for name in document})
    told = f"; they have: {', '.join(known[:20])}" if known else ""
    return f"no document has a field {field.name[:100]!r}{slip(field.name, known)}{told}"


def open_features(folder: Path, analyzer: Analyzer) -> Features:
    """Open the files of a fit; words are none of its business."""
    return Features([Learned(**one) for one in json.loads((folder / FILE).read_text("utf-8"))])
