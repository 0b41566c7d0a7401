"""Searching a collection by words, by vector, or by documents one likes."""

from typing import Annotated, Any

from flask import Response
from flask_openapi3.types import ResponseDict
from pydantic import Field

from search.model import (
    QUERY_CHARACTERS_MAX,
    GroupBy,
    Mode,
    SearchRequest,
    SearchResult,
    SimilarMode,
    SimilarRequest,
)
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import Body, CollectionPath, EncoderName, FilterText, Limit, Parameters, answer_of
from web.service import service
from web.strict_json import json_object

part = api_part("search", "Passages that answer a question, best first.")
FOUND: ResponseDict = {200: answer_of(SearchResult, "The hits, best first")}


Relevance = Annotated[
    float, Field(json_schema_extra={"minimum": 0, "maximum": 1}, description="From 0 to 1; see the README")
]
Query = Annotated[str, Field(json_schema_extra={"maxLength": QUERY_CHARACTERS_MAX})]
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


@part.post("/collections/<collection>/search", responses=FOUND)
def search(path: CollectionPath, body: SearchBody) -> Response:
    """Search by a query in words or by a vector."""
    return reply(service().search(path.collection, body.request()))


@part.get("/collections/<collection>/search", responses=FOUND)
def search_by_address(path: CollectionPath, query: SearchParameters) -> Response:
    """Search by a query in the address; everything else is as with POST."""
    asked = SearchRequest(
        query=query.q,
        limit=query.limit,
        mode=query.mode,
        encoder=query.encoder,
        filter=None if query.filter is None else json_object(query.filter, "filter"),
        group_by=query.group_by,
        explain=query.explain,
        min_relevance=query.min_relevance,
        diversity=query.diversity,
    )
    return reply(service().search(path.collection, asked))


@part.post("/collections/<collection>/similar", responses=FOUND)
def similar(path: CollectionPath, body: SimilarBody) -> Response:
    """Find documents near to some and far from others."""
    return reply(service().similar(path.collection, body.request()))
