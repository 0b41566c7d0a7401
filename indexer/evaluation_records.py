"""What is given of judgements and of evaluation runs; the shell prints these and the API sends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class JudgementsInfo:
    """A set of judged questions of a collection."""

    name: str
    questions: int
    judged_questions: int
    """Those with a judgement; only they are evaluated."""
    judgements: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """A question, and how well documents answer it."""

    id: str
    text: str
    judgements: Mapping[str, int]
    """Key of a document -> grade; above 0 is an answer."""


@dataclass(frozen=True, slots=True)
class JudgementsDetail:
    """A set with its questions."""

    name: str
    created_at: datetime
    questions: Sequence[JudgedQuestion]


@dataclass(frozen=True, slots=True)
class EvaluationInfo:
    """What one system was worth on a set of judgements, as they and the collection were then."""

    id: int
    judgements: str
    """Name of the set."""
    system: str
    """Of an imported run its tag."""
    imported: bool
    settings: Mapping[str, Any]
    """Encoder and attention with their fingerprints, and the analyzer; empty of an imported run."""
    generation: int | None
    """Number of the active vector generation."""
    change_number: int
    """The collection's newest change at the first question."""
    last_change_number: int
    """The same at the last one; where it differs, documents were stored or deleted meanwhile."""
    judgements_digest: str
    """Only runs on equal judgements can be compared."""
    questions: int
    judged_documents: int
    """Different documents that are judged."""
    missing_documents: int
    """Those of them that the collection did not hold; no system can find them, and they count."""
    changed_documents: int
    """Those that were stored or changed after they were judged."""
    measures: Mapping[str, float]
    ms_per_query_p50: float | None
    """Median time of a question; null of an imported run."""
    created_at: datetime


@dataclass(frozen=True, slots=True)
class EvaluatedQuestion:
    """One question of a run."""

    id: str
    text: str
    measures: Mapping[str, float]
    ranking: Sequence[str]
    """Keys of the best documents, best first, at most 100."""


@dataclass(frozen=True, slots=True)
class EvaluationDetail:
    """A run with its questions."""

    evaluation: EvaluationInfo
    questions: Sequence[EvaluatedQuestion]


@dataclass(frozen=True, slots=True)
class Difference:
    """What one question is worth to two systems."""

    id: str
    text: str
    value: float
    baseline: float
    difference: float
    """Above 0 where the baseline is worse."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether one run is better than another by one measure, or it only happened to fall that way."""

    evaluation: int
    baseline: int
    measure: str
    value: float
    baseline_value: float
    difference: float
    p_value: float
    """How likely chance alone makes such a difference (paired randomisation test, two-sided)."""
    questions: Sequence[Difference]
    """The largest gain first, the largest loss last."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run as it is stored."""

    system: str
    settings: Mapping[str, Any]
    imported: bool
    task_id: int | None
    generation: int | None
    change_number: int
    last_change_number: int
    judgements_digest: str
    judged_documents: int
    missing_documents: int
    changed_documents: int
    measures: Mapping[str, float]
    ms_per_query_p50: float | None
    questions: Sequence[EvaluatedQuestion]
