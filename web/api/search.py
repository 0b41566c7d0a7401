"""Searching a collection by words, by vector, or by documents one likes."""

from flask import Response
from flask_openapi3.types import ResponseDict

from search.model import SearchRequest, SearchResult
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import CollectionPath, SearchBody, SearchParameters, SimilarBody, answer_of
from web.service import service
from web.strict_json import json_object

part = api_part("search", "Passages that answer a question, best first.")
FOUND: ResponseDict = {200: answer_of(SearchResult, "The hits, best first")}


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
