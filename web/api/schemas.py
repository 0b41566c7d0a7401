"""What several routes of the API take and what all of them give, as models and as JSON schemas.

Answers are the records of ``search/model.py`` and ``indexer/records.py`` themselves: their schemas
are derived from those very classes, so the OpenAPI document cannot drift from what is sent.
Requests are strict models, which stand with their routes unless several take them: a field nobody knows is
an error that names it, and ``"10"`` is no number.
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
from indexer.map_records import CollectionMap
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
from search.model import LIMIT_MAX, SearchResult

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
