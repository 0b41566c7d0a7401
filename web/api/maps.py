"""Maps of collections: passages in two dimensions, and what they lie together with."""

from typing import Annotated

from flask import Response, url_for
from pydantic import BeforeValidator, Field

from indexer.map_records import BY_CLUSTER, POINTS_MAX, CollectionMap, MapMethod, MapRequest
from indexer.records import TaskInfo
from search.maps.drawing import CLUSTERS_MAX
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import Body, CollectionPath, EncoderName, Parameters, answer_of, plain_number
from web.service import service

part = api_part("map", "A collection in two dimensions.")


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


@part.get("/collections/<collection>/map", responses={200: answer_of(CollectionMap, "Clusters and points")})
def show_map(path: CollectionPath, query: MapParameters) -> Response:
    """Return the map of a collection; it is drawn on the way where that takes seconds."""
    return reply(service().maps.show(path.collection, MapRequest(**dict(query))))


@part.post("/collections/<collection>/map", responses={202: answer_of(TaskInfo, "The task that draws it")})
def draw_map(path: CollectionPath, body: MapBody) -> Response:
    """Have a worker draw a map that takes longer."""
    task = service().maps.enqueue(path.collection, MapRequest(**dict(body)))
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))
