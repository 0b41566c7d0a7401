"""The records a search is made of; frozen, and named after the thing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

MetadataValue = str | int | float | bool | datetime | list[str] | list[int] | list[float] | list[bool]

Mode = Literal["lexical", "dense", "hybrid", "attention"]
MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid", "attention")

SimilarMode = Literal["dense", "attention"]
SIMILAR_MODES: tuple[SimilarMode, ...] = ("dense", "attention")

GroupBy = Literal["document", "passage"]

LIMIT_MAX = 1000
QUERY_CHARACTERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of code points of a document's original text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Highlight:
    """A range of a document's text that speaks to the question; the strongest of a passage weighs 1."""

    start: int
    end: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a caller asks of one collection: exactly one of ``query`` and ``vector``."""

    query: str | None = None
    vector: Sequence[float] | None = None
    limit: int = 10
    mode: Mode | None = None
    """By default ``attention`` for text (``hybrid`` with an encoder that has no token states), and ``dense``
    (all that can be) for a vector."""
    encoder: str | None = None
    """Which of the collection's encoders takes the dense part; by default the one it was made with."""
    filter: Mapping[str, Any] | None = None
    group_by: GroupBy = "document"
    explain: bool = False
    highlight: bool = True
    """Whether to look for the words that speak to the question; who only counts answers need not."""
    min_relevance: float | None = None
    """Hits that are less relevant are left out; from 0 to 1, and only in mode ``attention``."""
    diversity: float = 0.0
    """From 0 (the best hits, best first) to 1 (hits that differ most); only their order and choice."""


@dataclass(frozen=True, slots=True)
class SimilarRequest:
    """What is like some examples and unlike others: keys of documents (text), ids of passages (numbers)."""

    like: Sequence[str | int]
    unlike: Sequence[str | int] = ()
    limit: int = 10
    mode: SimilarMode | None = None
    """By default ``attention`` (``dense`` with an encoder that was fit on the collection)."""
    filter: Mapping[str, Any] | None = None
    group_by: GroupBy = "document"
    explain: bool = False
    highlight: bool = True
    """Whether to look for the words that speak for a hit; only mode attention knows any."""
    diversity: float = 0.0
    """From 0 (the best hits, best first) to 1 (hits that differ most); only their order and choice."""
    encoder: str | None = None
    """Which of the collection's encoders compares; by default its own."""


@dataclass(frozen=True, slots=True)
class PassageText:
    """The passage that answered: its place in the document and its words."""

    id: int
    ordinal: int
    start: int
    end: int
    text: str
    heading: str
    page: int | None


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage as the store holds it, with its document's facts."""

    passage: PassageText
    document_id: int
    key: str
    title: str
    metadata: Mapping[str, MetadataValue]
    encoded: str = ""
    """What the encoder read of it: title and headings, then the passage itself at the end."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer.  ``parts`` add up exactly to ``score``; higher is better."""

    key: str
    title: str
    passage: PassageText
    score: float
    parts: Mapping[str, float]
    highlights: Sequence[Highlight]
    metadata: Mapping[str, MetadataValue]
    explanation: Mapping[str, Any] | None = None
    relevance: float | None = None
    """Share of questions without an answer here whose best passage scores less; None where not known."""


@dataclass(frozen=True, slots=True)
class FurtherWord:
    """A word that was looked for beside those of the question, because the best passages say it."""

    word: str
    """As these passages write it most often."""
    term: str
    """As it is counted: folded, and without its ending."""
    weight: float
    """Beside a word of the question, which weighs 1."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits of one search and what may be believed of them."""

    hits: Sequence[Hit]
    mode: str
    exact: bool
    """Whether no row that scores higher can have been missed."""
    degraded: Sequence[str]
    """Which caches are out of use, in words; empty in good health.  Answers are right all the same."""
    generation: int | None
    """Number of the vector generation that answered, if one did."""
    took_ms: float = field(default=0.0)
    nothing_relevant: bool | None = None
    """Whether what was found scores no more than is usual without an answer; None where that is not known."""
    expansion: Sequence[FurtherWord] | None = None
    """Words that were looked for beside those of the question; None where the question was not expanded."""
