"""Documents: store one or many, list, look at, delete."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from indexer.pipeline import MEDIA_TYPE
from indexer.records import Deleted, DocumentDetail, DocumentPage, LineStatus, NewDocument, Stored, TaskInfo
from search.errors import UnknownDocument
from web.api import ingest
from web.api.blueprint import api_part
from web.api.replies import reply, reply_nothing
from web.api.schemas import (
    REFERENCE,
    Body,
    CollectionPath,
    FilterText,
    Limit,
    Parameters,
    UploadForm,
    answer_of,
)
from web.limits import MULTIPART, NDJSON
from web.service import service
from web.strict_json import json_object

part = api_part("documents", "Texts with a key, which is unique in its collection and may hold slashes.")
DOCUMENTS = "/collections/<collection>/documents"
DOCUMENT = f"{DOCUMENTS}/<key:key>"

MANY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON: {"schema": {"type": "string"}},
            MULTIPART: {"schema": {"$ref": REFERENCE.format(model=UploadForm.__name__)}},
        },
    }
}


MediaType = Annotated[
    str,
    Field(
        json_schema_extra={"pattern": MEDIA_TYPE},
        description="What the text was before it came here: a type and subtype in lower case, no parameters",
    ),
]


class DocumentPath(CollectionPath):
    """A document by key; slashes are part of the key."""

    key: str


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


class DocumentListParameters(Parameters):
    """A page of a document list."""

    limit: Limit = 50
    cursor: str | None = None
    filter: FilterText | None = None


@part.get(DOCUMENTS, responses={200: answer_of(DocumentPage, "A page of documents by ascending key")})
def list_documents(path: CollectionPath, query: DocumentListParameters) -> Response:
    """List documents, page by page."""
    wanted = None if query.filter is None else json_object(query.filter, "filter")
    page = service().documents(path.collection, limit=query.limit, cursor=query.cursor, filter=wanted)
    return reply(page)


@part.post(
    DOCUMENTS,
    openapi_extensions=MANY,
    responses={
        200: answer_of(LineStatus, "NDJSON: a status for each line that is not blank", NDJSON),
        202: answer_of(TaskInfo, "Files: their bytes are safe; the task tells when they can be searched"),
    },
)
def add_documents(path: CollectionPath) -> Response:
    """Store many documents, as NDJSON lines or as files."""
    return ingest.add(path.collection)


@part.put(
    DOCUMENT,
    responses={
        200: answer_of(Stored, "It was there and is updated or unchanged"),
        201: answer_of(Stored, "It is new"),
    },
)
def put_document(path: DocumentPath, body: DocumentBody) -> Response:
    """Store a document; it can be searched when the answer arrives."""
    stored = service().put_document(path.collection, NewDocument(key=path.key, **dict(body)))
    return reply(stored, 201 if stored.outcome == "created" else 200)


@part.get(DOCUMENT, responses={200: answer_of(DocumentDetail, "The document, its text and its passages")})
def get_document(path: DocumentPath) -> Response:
    """Return a document."""
    return reply(service().document(path.collection, path.key))


@part.delete(DOCUMENT, responses={204: {"description": "It is gone and will never be found again"}})
def delete_document(path: DocumentPath) -> Response:
    """Delete a document."""
    if service().delete_documents(path.collection, [path.key]).unknown:
        message = f"the collection {path.collection!r} has no document {path.key!r}"
        raise UnknownDocument(message, collection=path.collection, key=path.key)
    return reply_nothing()


@part.post(f"{DOCUMENTS}/delete", responses={200: answer_of(Deleted, "Which were deleted and which unknown")})
def delete_documents(path: CollectionPath, body: DeleteBody) -> Response:
    """Delete several documents at once."""
    return reply(service().delete_documents(path.collection, body.keys))
