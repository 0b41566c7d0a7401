"""Collections: list, make, look at, delete."""

from flask import Response, url_for

from indexer.records import CollectionInfo
from web.api.blueprint import api_part
from web.api.replies import reply, reply_list, reply_nothing
from web.api.schemas import Body, CollectionList, CollectionPath, answer_of
from web.service import service

part = api_part("collections", "Sets of documents that are searched together, each with one encoder.")


class NewCollection(Body):
    """A collection to be made."""

    name: str
    encoder: str | None = None


@part.get("/collections", responses={200: answer_of(CollectionList, "All collections")})
def list_collections() -> Response:
    """List the collections."""
    return reply_list("collections", service().collections())


@part.post("/collections", responses={201: answer_of(CollectionInfo, "The new collection")})
def create_collection(body: NewCollection) -> Response:
    """Make an empty collection; its encoder is fixed from then on."""
    made = service().create_collection(body.name, body.encoder)
    address = url_for("collections.get_collection", collection=made.name)
    return reply(made, 201, address)


@part.get("/collections/<collection>", responses={200: answer_of(CollectionInfo, "The collection")})
def get_collection(path: CollectionPath) -> Response:
    """Tell what a collection holds."""
    return reply(service().collection(path.collection))


@part.delete("/collections/<collection>", responses={204: {"description": "It is gone"}})
def delete_collection(path: CollectionPath) -> Response:
    """Delete a collection with all its documents."""
    service().delete_collection(path.collection)
    return reply_nothing()
