"""Every table of the store, as SQLAlchemy mappings; Alembic in ``migrations/`` makes them real.

The same mappings serve SQLite and PostgreSQL.  Ids are never reused (AUTOINCREMENT on SQLite):
a cache that still knows a deleted passage's id must never meet another passage under it.
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

KEY_CHARACTERS_MAX = 512
TITLE_CHARACTERS_MAX = 2000
INDEXED_CHARACTERS = 128
"""Leading characters of a text field that its index holds; PostgreSQL's B-tree refuses long rows."""

Id = BigInteger().with_variant(Integer, "sqlite")
Prose = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared by code point on both databases."""


def label(characters: int) -> String:
    """Return the type of short text that is compared by code point on both databases."""
    return String(characters).with_variant(String(characters, collation="C"), "postgresql")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which knows no zones, keeps it naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """What a column of this type holds."""
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC; a time without a zone is UTC."""
        if value is None:
            return None
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read back as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime,
        dict[str, Any]: JSON,
        list[dict[str, Any]]: JSON,
        bytes: LargeBinary,
    }


AUTOINCREMENT = {"sqlite_autoincrement": True}


class EncoderRow(Base):
    """A prepared encoder: equal fingerprints give equal vectors."""

    __tablename__ = "encoders"
    __table_args__ = (UniqueConstraint("name", "fingerprint"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(50))
    """``transformer`` is pretrained; ``dense`` and ``sparse`` were fit, and say how vectors are stored."""
    options: Mapped[dict[str, Any]]
    fingerprint: Mapped[str] = mapped_column(String(64))
    dimension: Mapped[int]
    created_at: Mapped[datetime]


class CollectionRow(Base):
    """A collection; ``change_number`` is the counter that orders its changes."""

    __tablename__ = "collections"
    __table_args__ = (AUTOINCREMENT,)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(label(100), unique=True)
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    passage_tokens: Mapped[int]
    overlap_tokens: Mapped[int]
    change_number: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]


class CollectionEncoderRow(Base):
    """An encoder of a collection, and its active generation.

    One is the collection's own, for which its passages are cut; the others were fit on its passages.
    """

    __tablename__ = "collection_encoders"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"), primary_key=True)
    active_generation_id: Mapped[int | None] = mapped_column(BigInteger)
    complete: Mapped[bool] = mapped_column(Boolean)
    """Whether every passage has its vector; only then is it searched by."""
    fit_on: Mapped[int | None]
    """How many passages it was fit on; None for a pretrained one."""
    made_of: Mapped[str | None] = mapped_column(String(64))
    """Digest of these passages and of how it was fit on them."""
    replaced_at: Mapped[datetime | None]
    """When another took its place as the collection's own; None for those that never were, and for that."""
    created_at: Mapped[datetime]


class DocumentRow(Base):
    """A document with the extracted text that all offsets point into."""

    __tablename__ = "documents"
    __table_args__ = (
        UniqueConstraint("collection_id", "key"),
        AUTOINCREMENT,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Prose)
    title: Mapped[str] = mapped_column(Prose)
    source: Mapped[str] = mapped_column(Prose)
    origin: Mapped[str | None] = mapped_column(Prose)
    """Real path of the file it was read from; a sync deletes by it.  None for what came over the wire."""
    media_type: Mapped[str] = mapped_column(label(200))
    language: Mapped[str] = mapped_column(label(10))
    text: Mapped[str] = mapped_column(Text)
    content_hash: Mapped[str] = mapped_column(String(64))
    authored_at: Mapped[datetime | None]
    """When the document says it was made."""
    modified_at: Mapped[datetime | None]
    """When the document says it was last changed."""
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class FieldRow(Base):
    """One scalar of a document's metadata, typed; a list takes one row an element."""

    __tablename__ = "document_fields"
    __table_args__ = (
        Index(None, "document_id"),
        Index(None, "collection_id", "name", "text_prefix"),
        Index(None, "collection_id", "name", "number_value"),
        Index(None, "collection_id", "name", "boolean_value"),
        Index(None, "collection_id", "name", "time_value"),
        AUTOINCREMENT,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Prose)
    ordinal: Mapped[int]
    """Place in its list; -1 for a field that is no list."""
    kind: Mapped[str] = mapped_column(String(10))
    """text, integer, number, boolean or time, which says what column counts; empty for an empty list."""
    text_value: Mapped[str | None] = mapped_column(Prose)
    text_prefix: Mapped[str | None] = mapped_column(Prose)
    number_value: Mapped[float | None] = mapped_column(Double)
    boolean_value: Mapped[bool | None]
    time_value: Mapped[datetime | None]


class PassageRow(Base):
    """A passage, immutable: the only thing a search result is made of."""

    __tablename__ = "passages"
    __table_args__ = (
        Index(None, "collection_id", "id"),
        Index(None, "collection_id", "language"),
        Index(None, "document_id", "ordinal"),
        Index(None, "input_hash"),
        AUTOINCREMENT,
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    ordinal: Mapped[int]
    start: Mapped[int]
    end: Mapped[int]
    text: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    heading: Mapped[str] = mapped_column(Text)
    page: Mapped[int | None]
    language: Mapped[str] = mapped_column(String(10))
    input_hash: Mapped[str] = mapped_column(String(32))
    """Digest of what the encoder read, so that an equal passage need not be encoded again."""


class EmbeddingRow(Base):
    """The raw vector of a passage by one encoder, as ``indexer/store/vector_bytes.py`` writes it."""

    __tablename__ = "embeddings"

    passage_id: Mapped[int] = mapped_column(ForeignKey("passages.id", ondelete="CASCADE"), primary_key=True)
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"), primary_key=True)
    vector: Mapped[bytes]


class TokenStatesRow(Base):
    """What an encoder makes of each piece of a passage, packed; only attention reads it."""

    __tablename__ = "token_states"
    __table_args__ = (Index(None, "encoder_id", "codec", "passage_id"),)

    passage_id: Mapped[int] = mapped_column(ForeignKey("passages.id", ondelete="CASCADE"), primary_key=True)
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"), primary_key=True)
    codec: Mapped[str] = mapped_column(label(40))
    """How the bytes were made; its index lets passages without them be counted without reading any."""
    states: Mapped[bytes]


class ChangeRow(Base):
    """The log every cache follows: a passage came or went.

    ``number`` is taken from the collection's counter row, which stays locked until the
    transaction commits, so numbers become visible in order.  A sequence would not do: it
    commits out of order, and a cache that covers N would miss a late N - 1 for ever.
    """

    __tablename__ = "passage_changes"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    passage_id: Mapped[int] = mapped_column(BigInteger)
    added: Mapped[bool] = mapped_column(Boolean)


class GenerationRow(Base):
    """The manifest of one folder of immutable vector files, built from rows up to ``covers``."""

    __tablename__ = "generations"
    __table_args__ = (Index(None, "collection_id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    encoder_id: Mapped[int] = mapped_column(ForeignKey("encoders.id"))
    folder: Mapped[str] = mapped_column(String(200))
    covers: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    metric: Mapped[str] = mapped_column(String(20))
    count: Mapped[int]
    dimension: Mapped[int]
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of the encoder."""
    centring: Mapped[str] = mapped_column(String(64))
    """Of the means that the rows have lost; other means are another generation."""
    chinese_share: Mapped[float] = mapped_column(Double)
    """Share of Chinese passages when it was built, which mixes the means."""
    files: Mapped[dict[str, Any]]
    damaged: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime]


class LexicalCacheRow(Base):
    """Which folder holds a collection's tantivy index; its own marker says how far it covers."""

    __tablename__ = "lexical_caches"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    folder: Mapped[str] = mapped_column(String(200))
    analyzer: Mapped[str] = mapped_column(String(100))
    covers: Mapped[int] = mapped_column(BigInteger)
    damaged: Mapped[bool] = mapped_column(Boolean, default=False)


class RankerRow(Base):
    """A learned attention of a collection; the one ``in_use`` ranks its answers, without one ``simple``."""

    __tablename__ = "rankers"
    __table_args__ = (Index(None, "collection_id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(20))
    folder: Mapped[str] = mapped_column(String(200))
    fingerprint: Mapped[str] = mapped_column(String(64))
    encoder_fingerprint: Mapped[str] = mapped_column(String(64))
    codec: Mapped[str] = mapped_column(String(40))
    """Of the token states it was trained on."""
    options: Mapped[dict[str, Any]]
    """How it was trained."""
    figures: Mapped[dict[str, Any]]
    """What its held-out test found."""
    adopted: Mapped[bool] = mapped_column(Boolean)
    """Whether that test let it into use."""
    in_use: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]


class MixRow(Base):
    """What weighs beside attention by judged questions; without one ``in_use`` it is the usual mix."""

    __tablename__ = "mixes"
    __table_args__ = (Index(None, "collection_id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    weights: Mapped[dict[str, Any]]
    """Part (meaning, words, encoders fit on the collection) -> what it weighs."""
    made_of: Mapped[dict[str, Any]]
    """Fingerprints of these encoders, of the collection's own and of its attention."""
    figures: Mapped[dict[str, Any]]
    """What its held-out test found."""
    adopted: Mapped[bool] = mapped_column(Boolean)
    """Whether that test let it into use."""
    in_use: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]


class ExpansionRow(Base):
    """What the newest test of further words let into use in a collection; without one there are none."""

    __tablename__ = "expansions"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    shares: Mapped[dict[str, Any]]
    """Mode -> what further words weigh in it, of all words; modes that gain nothing are left out."""
    made_of: Mapped[dict[str, Any]]
    """Fingerprints of the encoder and the attention, and the mix, that mode attention was tested with."""
    figures: Mapped[dict[str, Any]]
    """Mode -> what its held-out test found."""
    created_at: Mapped[datetime]


class CalibrationRow(Base):
    """What is usual in a collection for questions of one language that it has no answer to."""

    __tablename__ = "calibrations"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    language: Mapped[str] = mapped_column(String(10), primary_key=True)
    made_of: Mapped[str] = mapped_column(String(200))
    """Method, token states and attention that it holds for."""
    passages: Mapped[int]
    """How many the collection had."""
    centre: Mapped[float] = mapped_column(Double)
    spread: Mapped[float] = mapped_column(Double)
    level: Mapped[float] = mapped_column(Double)
    judged: Mapped[int]
    """Judged answers that had a say in the level."""
    created_at: Mapped[datetime]


class JudgementSetRow(Base):
    """Questions of a collection whose answers people have judged, under one name."""

    __tablename__ = "judgement_sets"
    __table_args__ = (UniqueConstraint("collection_id", "name"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(label(100))
    created_at: Mapped[datetime]


class JudgedQuestionRow(Base):
    """A question of a set; ``key`` is what files and people call it."""

    __tablename__ = "judged_questions"
    __table_args__ = (UniqueConstraint("set_id", "key"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("judgement_sets.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(Prose)
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class JudgementRow(Base):
    """How well a document answers a question; by its key, so that it outlives the document."""

    __tablename__ = "judgements"

    question_id: Mapped[int] = mapped_column(
        ForeignKey("judged_questions.id", ondelete="CASCADE"), primary_key=True
    )
    document_key: Mapped[str] = mapped_column(Prose, primary_key=True)
    grade: Mapped[int]
    made_by: Mapped[str] = mapped_column(label(100))
    made_at: Mapped[datetime]


class EvaluationRunRow(Base):
    """What one system was worth on a set of judgements, as they and the collection were at that time."""

    __tablename__ = "evaluation_runs"
    __table_args__ = (Index(None, "set_id", "id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    set_id: Mapped[int] = mapped_column(ForeignKey("judgement_sets.id", ondelete="CASCADE"))
    task_id: Mapped[int | None] = mapped_column(BigInteger)
    """Which measured it; a task that is begun again measures no system twice."""
    system: Mapped[str] = mapped_column(label(100))
    imported: Mapped[bool] = mapped_column(Boolean)
    """Whether its rankings came out of a file."""
    settings: Mapped[dict[str, Any]]
    generation_id: Mapped[int | None] = mapped_column(BigInteger)
    change_number: Mapped[int] = mapped_column(BigInteger)
    last_change_number: Mapped[int] = mapped_column(BigInteger)
    """Of the collection when the last question was answered."""
    judgements_digest: Mapped[str] = mapped_column(String(64))
    """Only runs on the same judgements can be compared."""
    questions: Mapped[int]
    judged_documents: Mapped[int]
    missing_documents: Mapped[int]
    changed_documents: Mapped[int]
    measures: Mapped[dict[str, Any]]
    ms_per_query_p50: Mapped[float | None] = mapped_column(Double)
    created_at: Mapped[datetime]


class EvaluatedQuestionRow(Base):
    """One question of a run: what its answer was worth, and the keys of the best documents."""

    __tablename__ = "evaluated_questions"

    run_id: Mapped[int] = mapped_column(
        ForeignKey("evaluation_runs.id", ondelete="CASCADE"), primary_key=True
    )
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Prose)
    text: Mapped[str] = mapped_column(Text)
    measures: Mapped[dict[str, Any]]
    ranking: Mapped[list[str]] = mapped_column(JSON)


class TaskRow(Base):
    """Work that goes on after its request was answered."""

    __tablename__ = "tasks"
    __table_args__ = (Index(None, "state", "id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(50))
    collection: Mapped[str] = mapped_column(String(100))
    options: Mapped[dict[str, Any] | None]
    """What is to be done, of a kind that does not say it alone."""
    state: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(BigInteger, default=0)
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    stored: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    problems: Mapped[list[dict[str, Any]]]
    error: Mapped[dict[str, Any] | None]
    report: Mapped[dict[str, Any] | None]
    """What it came to, of a kind that has more to say than that it ended."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class UploadRow(Base):
    """A file that came over the wire, kept until its task has ended."""

    __tablename__ = "uploads"
    __table_args__ = (Index(None, "task_id"), AUTOINCREMENT)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(Text)
    bytes: Mapped[int] = mapped_column(BigInteger)


class UploadChunkRow(Base):
    """A mebibyte of an upload, so that no process needs to hold a whole file."""

    __tablename__ = "upload_chunks"

    upload_id: Mapped[int] = mapped_column(ForeignKey("uploads.id", ondelete="CASCADE"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes]
