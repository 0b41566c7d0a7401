"""The map of a collection: a picture that needs no script, and its clusters in words.

Colours repeat in shapes and numbers, so that the picture can be read without them.
"""

import re
from dataclasses import dataclass

import numpy as np
from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from numpy.typing import NDArray

from indexer.map_records import BY_CLUSTER, METHODS, POINTS_MAX, CollectionMap, MapRequest
from indexer.map_view import beginning
from search.errors import InvalidInput, NotMapped
from search.maps.drawing import CLUSTERS_MAX
from web.pages.reading import page_of
from web.service import service

pages = Blueprint("map_page", __name__)
SAMPLE = 900
"""Points of the picture that needs no script."""
WIDTH, HEIGHT, MARGIN = 960, 600, 24
"""Of that picture, in its own units."""
COLOURS, SHAPES = 12, 6


@dataclass(frozen=True, slots=True)
class Mark:
    """A point of the picture."""

    id: int
    x: float
    y: float
    group: int


@pages.get("/collections/<collection>/map")
def show(collection: str) -> ResponseReturnValue:
    """Show the map; one that takes long to draw is offered to be drawn."""
    asked = _asked(request.args.get("encoder"), request.args.get("clusters"))
    drawn, wanting = None, None
    try:
        drawn = service().maps.show(collection, asked)
    except NotMapped as error:
        wanting = str(error)
    return render_template(
        "map.html",
        collection=collection,
        chosen=collection,
        asked=asked,
        drawn=drawn,
        wanting=wanting,
        marks=_marks(drawn) if drawn else [],
        numbers=_numbers(drawn) if drawn else [],
        encoders=[info.name for info in service().encoders(collection) if info.kind != "sparse"],
        methods=METHODS,
        fields=service().maps.colours(collection),
        clusters_max=CLUSTERS_MAX,
        points_max=POINTS_MAX,
        size=(WIDTH, HEIGHT),
        colour_of=colour_of,
        shape_of=shape_of,
        page_of=page_of,
    )


@pages.post("/collections/<collection>/map")
def draw(collection: str) -> ResponseReturnValue:
    """Have the map drawn that the form names, and lead to the page that shows how far that is."""
    asked = _asked(request.form.get("encoder"), request.form.get("clusters"), request.form.get("method"))
    task = service().maps.enqueue(collection, asked)
    return redirect(url_for("uploads_page.task", task_id=task.id), 303)


@pages.get("/collections/<collection>/map/<number:passage>")
def point(collection: str, passage: int) -> ResponseReturnValue:
    """Show the passage of one point, as the map shows it beside the picture."""
    found = service().passage(collection, passage)
    return render_template(
        "map_point.html",
        chosen=collection,
        found=found,
        encoder=request.args.get("encoder") or None,
        text=beginning(found.passage.text),
        page_of=page_of,
    )


def colour_of(group: int) -> int:
    """Return the number of a group's colour."""
    return group % COLOURS


def shape_of(group: int) -> int:
    """Return the number of a group's shape; groups of one colour have different ones."""
    return (group + group // COLOURS) % SHAPES


def _asked(encoder: str | None, clusters: str | None, method: str | None = None) -> MapRequest:
    """Return the request that the fields of a form make; empty ones are left to the map."""
    if clusters and not re.fullmatch("[0-9]{1,6}", clusters):
        raise InvalidInput(f"clusters is a number, not {clusters[:100]!r}")
    return MapRequest(
        encoder=encoder or None,
        method=method or request.args.get("method") or METHODS[0],  # type: ignore[arg-type]  # checked there
        clusters=int(clusters) if clusters else None,
        colour=request.args.get("colour") or BY_CLUSTER,
        points=SAMPLE,
    )


def _places(drawn: CollectionMap) -> NDArray[np.float64]:
    """Return where the points stand in the picture ``(n, 2)``, which shows all of them."""
    places = np.column_stack([drawn.points.x, np.negative(drawn.points.y)])
    width = np.maximum(np.ptp(places, axis=0), 1e-9)
    size = np.array([WIDTH, HEIGHT]) - 2 * MARGIN
    return np.asarray(MARGIN + (places - places.min(axis=0)) / width * size)


def _marks(drawn: CollectionMap) -> list[Mark]:
    points = drawn.points
    if not points.ids:
        return []
    places = _places(drawn).tolist()
    return [Mark(id, x, y, group) for id, (x, y), group in zip(points.ids, places, points.group, strict=True)]


def _numbers(drawn: CollectionMap) -> list[Mark]:
    """Return where the number of each group stands: in the middle of its points."""
    if not drawn.points.ids:
        return []
    groups, places = np.array(drawn.points.group), _places(drawn)
    return [Mark(group + 1, *_middle(places[groups == group]), group) for group in np.unique(groups).tolist()]


def _middle(places: NDArray[np.float64]) -> tuple[float, float]:
    x, y = np.median(places, axis=0).tolist()
    return x, y
