"""What the Service takes and gives, apart from searches (those are in ``search/model.py``).

The shell prints these as JSON and the API sends them; both go through ``indexer/answers.py``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Literal

from search.encoders.fitted.words import ScoredWord
from search.model import MetadataValue, Mode

DocumentOutcome = Literal["created", "updated", "unchanged"]
TaskState = Literal["enqueued", "processing", "succeeded", "failed", "canceled"]

DEFAULT_COLLECTION = "default"


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """One collection and how much it holds."""

    name: str
    encoder: str
    documents: int
    passages: int
    created_at: datetime
    generation: int | None
    """Number of the active vector generation."""
    unfolded: int
    """Passages that are stored and searchable but not yet folded into a generation."""


@dataclass(frozen=True, slots=True)
class NewDocument:
    """A document as a caller gives it, ready to be stored under ``key``."""

    key: str
    text: str
    title: str = ""
    media_type: str = "text/plain"
    metadata: Mapping[str, MetadataValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """The fate of one document: it is committed and searchable now."""

    key: str
    outcome: DocumentOutcome
    passages: int


@dataclass(frozen=True, slots=True)
class StoredOver(Stored):
    """The fate of a document of a file under whose key stood another text, read at another path."""

    old_source: str
    """What a user called that place."""
    old_origin: str
    """Its real path."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One input that was refused: where it stood, the stable code and the sentence."""

    where: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class LineStatus:
    """What became of one line of a bulk request; ``line`` counts from 1."""

    line: int
    status: int
    """200 stored as update or unchanged, 201 created, 4xx refused."""
    key: str | None = None
    """None where the line has none that can be read."""
    outcome: DocumentOutcome | None = None
    code: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """One row of a document list.

    ``authored_at`` and ``modified_at`` are what the document says of itself, None where it says nothing;
    ``created_at`` and ``updated_at`` are when it was stored.
    """

    key: str
    title: str
    source: str
    media_type: str
    language: str
    characters: int
    passages: int
    authored_at: datetime | None
    modified_at: datetime | None
    created_at: datetime
    updated_at: datetime
    metadata: Mapping[str, MetadataValue]


@dataclass(frozen=True, slots=True)
class DocumentPage:
    """A page of documents, by ascending key; ``next_cursor`` is None on the last one."""

    documents: Sequence[DocumentSummary]
    total: int
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PassagePlace:
    """Where one passage lies in its document's text."""

    id: int
    ordinal: int
    start: int
    end: int
    heading: str
    page: int | None


@dataclass(frozen=True, slots=True)
class DocumentDetail:
    """A whole document: its facts, its text and where its passages lie."""

    document: DocumentSummary
    text: str
    passages: Sequence[PassagePlace]


@dataclass(frozen=True, slots=True)
class Deleted:
    """Keys that were deleted and keys that nothing was stored under."""

    deleted: Sequence[str]
    unknown: Sequence[str]


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came over the wire; ``name`` is the client's and not to be trusted."""

    name: str
    stream: BinaryIO


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A piece of work that goes on after its request was answered."""

    id: int
    kind: str
    collection: str
    options: Mapping[str, Any] | None
    """Of a fit the encoder and the seed, of a switch the encoder and whether it is forced."""
    state: TaskState
    done: int
    """Bytes of the task's files read so far; of a training, hundredths of its steps."""
    total: int
    stored: int
    """Documents created or updated."""
    unchanged: int
    problems: Sequence[Problem]
    error: Mapping[str, Any] | None
    report: Mapping[str, Any] | None
    """What a switch came to."""
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class IngestSummary:
    """What one ingest did; ``problems`` names what was refused and why (the first thousand)."""

    collection: str
    created: int
    updated: int
    replaced: int
    """Those of the updated ones under whose key stood a document of another file."""
    unchanged: int
    deleted: int
    passages: int
    refused: int
    problems: Sequence[Problem]
    seconds: float
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainingSummary:
    """What a training of attention came to, and why it ranks now or does not."""

    collection: str
    kind: str
    adopted: bool
    """Whether its test on held-out questions lets it into use."""
    in_use: str
    """The kind that ranks from now on."""
    reason: str
    before: str
    """The kind it was compared with, which ranked until now."""
    source: Literal["judgements", "texts"] | None = None
    learned_from: int = 0
    """Questions."""
    held_out: int = 0
    """Questions of the test."""
    ndcg_before: float | None = None
    ndcg_after: float | None = None
    p_value: float | None = None
    """How likely chance alone makes such a difference."""
    fingerprint: str | None = None
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class MixSummary:
    """What the fit of a mix came to, and why it ranks now or does not."""

    collection: str
    adopted: bool
    """Whether its test on held-out questions lets it into use."""
    in_use: Mapping[str, float]
    """Part -> what it weighs beside attention from now on."""
    reason: str
    weights: Mapping[str, float]
    """What was fitted on all questions."""
    folds: Sequence[Mapping[str, float]] = ()
    """The weights of every fold, fitted without its questions."""
    questions: int = 0
    ndcg_before: float | None = None
    """By the usual mix."""
    ndcg_after: float | None = None
    """Each question by weights that were fitted without it."""
    p_value: float | None = None
    """How likely chance alone makes such a difference."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ExpansionTest:
    """What a test of further words came to in one mode."""

    mode: Mode
    adopted: bool
    """Whether they are looked for from now on."""
    reason: str
    share: float
    """What they weigh, of all words, to answer all questions best; 0 where they are better left out."""
    folds: Sequence[float]
    """The same of every fold, chosen without its questions."""
    ndcg_before: float
    """By the questions' own words."""
    ndcg_after: float
    """Each question by the share that was chosen without it."""
    p_value: float
    """How likely chance alone makes such a difference."""


@dataclass(frozen=True, slots=True)
class ExpansionSummary:
    """In which modes the questions to a collection are expanded, and what was found of it."""

    collection: str
    in_use: Mapping[Mode, float]
    """Mode -> what further words weigh from now on, of all words."""
    tests: Sequence[ExpansionTest] = ()
    questions: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class FitSummary:
    """An encoder that was fit on a collection and has read all of its passages."""

    collection: str
    encoder: str
    dimension: int
    passages: int
    fingerprint: str
    unchanged: bool
    """Whether it was there already: same passages, same seed."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class SwitchSummary:
    """What became of the switch of a collection to another encoder, and why."""

    collection: str
    before: str
    """The collection's own encoder until then."""
    after: str
    """The encoder that was to take its place."""
    adopted: bool
    """Whether it has."""
    reason: str
    passages: int
    cut: int
    """Passages that are longer than it reads; their ends count for nothing."""
    source: Literal["judgements", "texts"]
    held_out: int
    """Questions of the test; 0 where it was forced and there are too few to test with."""
    ndcg_before: float | None = None
    ndcg_after: float | None = None
    p_value: float | None = None
    """How likely chance alone makes such a difference."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class EncoderInfo:
    """An encoder of a collection."""

    name: str
    kind: Literal["transformer", "dense", "sparse"]
    """Pretrained (perhaps tuned), or fit on the collection's own passages."""
    own: bool
    """Whether it is the collection's own; searches use it unless they name another."""
    former: bool
    """Whether it was that before the one that is now, and can be again at once."""
    dimension: int
    complete: bool
    """Whether every passage has its vector by it; until then nothing is searched by it."""
    fit_on: int | None
    """Passages it was fit on."""
    passages: int
    """Passages there are now."""
    fingerprint: str


@dataclass(frozen=True, slots=True)
class WordsAnswer:
    """What an encoder says of words."""

    ask: str
    words: Sequence[str]
    """That were asked about, as they were typed."""
    encoder: str
    found: Sequence[ScoredWord]
    """Best first; of ``odd`` the one that does not fit, of ``similarity`` none."""
    similarity: float | None
    """Cosine, from -1 to 1; None of other questions."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the service can answer, and what it answers without."""

    status: Literal["ok", "degraded"]
    version: str
    notes: Sequence[str]
