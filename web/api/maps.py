"""Maps of collections: passages in two dimensions, and what they lie together with."""

from flask import Response, url_for

from indexer.map_records import CollectionMap, MapRequest
from indexer.records import TaskInfo
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import CollectionPath, MapBody, MapParameters, answer_of
from web.service import service

part = api_part("map", "A collection in two dimensions.")


@part.get("/collections/<collection>/map", responses={200: answer_of(CollectionMap, "Clusters and points")})
def show_map(path: CollectionPath, query: MapParameters) -> Response:
    """Return the map of a collection; it is drawn on the way where that takes seconds."""
    return reply(service().maps.show(path.collection, MapRequest(**dict(query))))


@part.post("/collections/<collection>/map", responses={202: answer_of(TaskInfo, "The task that draws it")})
def draw_map(path: CollectionPath, body: MapBody) -> Response:
    """Have a worker draw a map that takes longer."""
    task = service().maps.enqueue(path.collection, MapRequest(**dict(body)))
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))
