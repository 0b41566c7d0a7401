"""What the API takes and gives, as models and as JSON schemas.

Answers are the records of ``search/model.py`` and ``indexer/records.py`` themselves: their schemas
are derived from those very classes, so the OpenAPI document cannot drift from what is sent.
Requests are strict models: a field nobody knows is an error that names it, and ``"10"`` is no number.
Ranges (``limit``, length of a query) are stated here and enforced by the Service, which the shell
uses too, so both edges refuse with one sentence.
"""

import re
from typing import Annotated, Any

from flask_openapi3.models.file import FileStorage
from flask_openapi3.types import ResponseDict
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from pydantic_core import PydanticCustomError

from indexer.evaluation_records import (
    Comparison,
    EvaluationDetail,
    EvaluationInfo,
    JudgedQuestion,
    JudgementsDetail,
    JudgementsInfo,
)
from indexer.map_records import BY_CLUSTER, POINTS_MAX, CollectionMap, MapMethod
from indexer.pipeline import MEDIA_TYPE
from indexer.records import (
    CollectionInfo,
    Deleted,
    DocumentDetail,
    DocumentPage,
    EncoderInfo,
    Health,
    LineStatus,
    Stored,
    TaskInfo,
    WordsAnswer,
)
from indexer.words import LIMIT_MAX as WORDS_LIMIT_MAX
from search.encoders.fitted.features import KINDS as FIELD_KINDS
from search.encoders.fitted.features import WEIGHT_MAX
from search.maps.drawing import CLUSTERS_MAX
from search.model import (
    LIMIT_MAX,
    QUERY_CHARACTERS_MAX,
    GroupBy,
    Mode,
    SearchRequest,
    SearchResult,
    SimilarMode,
    SimilarRequest,
)

REFERENCE = "#/components/schemas/{model}"


def plain_number(given: Any) -> Any:
    """Return what was given, unless it is text that only Python calls a whole number (``1_0``, ``5.0``)."""
    if isinstance(given, str) and not re.fullmatch("-?[0-9]+", given):
        raise PydanticCustomError("int_parsing", "digits are wanted")
    return given


Limit = Annotated[
    int,
    Field(json_schema_extra={"minimum": 1, "maximum": LIMIT_MAX}),
    BeforeValidator(plain_number, json_schema_input_type=int),
]
Relevance = Annotated[
    float, Field(json_schema_extra={"minimum": 0, "maximum": 1}, description="From 0 to 1; see the README")
]
Query = Annotated[str, Field(json_schema_extra={"maxLength": QUERY_CHARACTERS_MAX})]
MediaType = Annotated[
    str,
    Field(
        json_schema_extra={"pattern": MEDIA_TYPE},
        description="What the text was before it came here: a type and subtype in lower case, no parameters",
    ),
]
Diversity = Annotated[
    float,
    Field(
        json_schema_extra={"minimum": 0, "maximum": 1},
        description="From 0 (the best hits, best first) to 1 (hits that differ most); scores stay",
    ),
]
Example = Annotated[
    str | int, Field(description="Text is the key of a document, a number the `id` of a passage of a hit")
]
EncoderName = Annotated[
    str, Field(description="Which of the collection's encoders compares; by default its own")
]
FilterText = Annotated[str, Field(description='A filter as JSON text, such as {"year": {"$gte": 2020}}')]


class Body(BaseModel):
    """A JSON body: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Parameters(BaseModel):
    """Parameters of an address, which are text, read as the types of these fields."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class CollectionPath(Parameters):
    """A collection by name."""

    collection: str


class DocumentPath(CollectionPath):
    """A document by key; slashes are part of the key."""

    key: str


class EncoderPath(CollectionPath):
    """An encoder of a collection by name."""

    encoder: str


class TaskPath(Parameters):
    """A task by number."""

    task_id: int


class NewCollection(Body):
    """A collection to be made."""

    name: str
    encoder: str | None = None


class DeclaredField(Body):
    """A field of the documents that counts, as what, and how much."""

    name: str
    kind: str = Field(description=", ".join(FIELD_KINDS))
    weight: float = Field(default=1.0, json_schema_extra={"exclusiveMinimum": 0, "maximum": WEIGHT_MAX})


class FitBody(Body):
    """An encoder to be fit on a collection."""

    name: str
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of all draws")
    learn_on: bool = Field(
        default=False, alias="continue", description="Word2vec: start from the fit in use, instead of anew"
    )
    fields: list[DeclaredField] = Field(
        default_factory=list, description="Of `features` alone: what its vectors are made of"
    )


class SwitchBody(Body):
    """A pretrained encoder that is to take the place of a collection's own."""

    name: str
    force: bool = Field(default=False, description="Adopt it however its test comes out")


class WordsBody(Body):
    """A question about words."""

    ask: str = Field(description="neighbours, similarity, analogy, odd or contexts")
    words: list[str] = Field(
        description="One; two for similarity; a, b, c for an analogy; three or more for odd"
    )
    limit: int = Field(default=10, json_schema_extra={"minimum": 1, "maximum": WORDS_LIMIT_MAX})
    encoder: EncoderName | None = None


class WordVectorsParameters(Parameters):
    """Whose vectors of words."""

    encoder: EncoderName | None = None


ClusterCount = Annotated[
    int,
    Field(
        json_schema_extra={"minimum": 1, "maximum": CLUSTERS_MAX},
        description="By default as many as suit the number of passages",
    ),
    BeforeValidator(plain_number, json_schema_input_type=int),
]


class MapBody(Body):
    """A map to be drawn."""

    encoder: EncoderName | None = None
    method: MapMethod = "pca"
    clusters: ClusterCount | None = None


class MapParameters(Parameters):
    """A map, its colours, and how many points of it."""

    encoder: EncoderName | None = None
    method: MapMethod = "pca"
    clusters: ClusterCount | None = None
    colour: str = Field(default=BY_CLUSTER, description="`cluster`, or the name of a field of the documents")
    points: Annotated[
        int,
        Field(json_schema_extra={"minimum": 0, "maximum": POINTS_MAX}),
        BeforeValidator(plain_number, json_schema_input_type=int),
    ] = POINTS_MAX


class DocumentBody(Body):
    """A document to be stored under the key of the address."""

    text: str
    title: str = ""
    metadata: dict[str, Any] = Field(
        default_factory=dict,
        description="Text, numbers, booleans, times, lists of them; an inner member becomes `outer.inner`",
    )
    media_type: MediaType = "text/plain"


class DeleteBody(Body):
    """Documents to be deleted."""

    keys: list[str]


class SearchBody(Body):
    """What to search for: exactly one of ``query`` and ``vector``."""

    query: Query | None = None
    vector: list[float] | None = None
    limit: Limit = 10
    mode: Mode | None = None
    encoder: EncoderName | None = None
    filter: dict[str, Any] | None = None
    group_by: GroupBy = "document"
    explain: bool = False
    highlight: bool = True
    min_relevance: Relevance | None = None
    diversity: Diversity = 0.0

    def request(self) -> SearchRequest:
        """Return the body as the Service takes it."""
        return SearchRequest(**dict(self))


class SearchParameters(Parameters):
    """A search as one can type it into an address line."""

    q: Query
    limit: Limit = 10
    mode: Mode | None = None
    encoder: EncoderName | None = None
    filter: FilterText | None = None
    group_by: GroupBy = "document"
    explain: bool = False
    min_relevance: Relevance | None = None
    diversity: Diversity = 0.0


class SimilarBody(Body):
    """Examples to be near to, and to be far from: keys of documents, or ids of passages, or both."""

    like: list[Example]
    unlike: list[Example] = Field(default_factory=list)
    limit: Limit = 10
    mode: SimilarMode | None = None
    filter: dict[str, Any] | None = None
    group_by: GroupBy = "document"
    explain: bool = False
    highlight: bool = True
    diversity: Diversity = 0.0
    encoder: EncoderName | None = None

    def request(self) -> SimilarRequest:
        """Return the body as the Service takes it."""
        return SimilarRequest(**dict(self))


class DocumentListParameters(Parameters):
    """A page of a document list."""

    limit: Limit = 50
    cursor: str | None = None
    filter: FilterText | None = None


class TaskListParameters(Parameters):
    """The newest tasks, of one collection or of all."""

    collection: str | None = None
    limit: Limit = 50


class UploadForm(BaseModel):
    """Files to be stored; only documents the multipart body, which the view reads by itself."""

    file: list[FileStorage]


class Finding(BaseModel):
    """One thing that is wrong with a request, and a JSON pointer to it."""

    pointer: str
    detail: str


class ProblemDetails(BaseModel):
    """A failure (RFC 9457), with a stable ``code`` and the facts of the case as further members."""

    model_config = ConfigDict(extra="allow")

    title: str
    status: int
    detail: str
    code: str
    errors: list[Finding] | None = None


class CollectionList(BaseModel):
    """All collections."""

    collections: list[CollectionInfo]


class EncoderList(BaseModel):
    """The encoders of a collection."""

    encoders: list[EncoderInfo]


class JudgementsList(BaseModel):
    """The judgements of a collection."""

    judgements: list[JudgementsInfo]


class EvaluationList(BaseModel):
    """Evaluations, newest first."""

    evaluations: list[EvaluationInfo]


class TaskList(BaseModel):
    """Tasks, newest first."""

    tasks: list[TaskInfo]


ANSWERS: tuple[type, ...] = (
    CollectionInfo,
    CollectionList,
    CollectionMap,
    Comparison,
    Deleted,
    DocumentDetail,
    DocumentPage,
    EncoderInfo,
    EncoderList,
    EvaluationDetail,
    EvaluationInfo,
    EvaluationList,
    Health,
    JudgedQuestion,
    JudgementsDetail,
    JudgementsInfo,
    JudgementsList,
    LineStatus,
    ProblemDetails,
    SearchResult,
    Stored,
    TaskInfo,
    TaskList,
    WordsAnswer,
)
REQUESTS: tuple[type, ...] = (UploadForm,)


def components() -> dict[str, Any]:
    """Return the JSON schemas of all answers by name."""
    serialized: JsonSchemaMode = "serialization"
    validated: JsonSchemaMode = "validation"
    inputs = [(record, serialized, TypeAdapter[Any](record)) for record in ANSWERS]
    inputs += [(record, validated, TypeAdapter[Any](record)) for record in REQUESTS]
    _, schemas = TypeAdapter.json_schemas(inputs, ref_template=REFERENCE)
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def answer_of(record: type, description: str, media_type: str = "application/json") -> dict[str, Any]:
    """Return the OpenAPI response for an answer that is one ``record``."""
    schema = {"$ref": REFERENCE.format(model=record.__name__)}
    return {"description": description, "content": {media_type: {"schema": schema}}}


PROBLEM = "application/problem+json"
FAILURES: ResponseDict = {
    422: answer_of(ProblemDetails, "The request is wrong; sending it again unchanged cannot help", PROBLEM),
    "default": answer_of(ProblemDetails, "Another failure", PROBLEM),
}
