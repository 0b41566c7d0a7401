"""The page people come for: a question, and the passages that answer it."""

import re
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue

from indexer.records import DEFAULT_COLLECTION, CollectionInfo, EncoderInfo
from search.encoders.fitted.catalog import OF_FIELDS, WITH_STATES
from search.errors import InvalidInput
from search.model import MODES, Mode, SearchRequest, SearchResult, SimilarRequest
from search.relevance import PASSAGES_MIN
from web.pages.heat_map import heat_map
from web.pages.highlights import excerpt, whole
from web.pages.reading import page_of
from web.pages.scores import longest_bar, segments
from web.service import service

pages = Blueprint("search_page", __name__)
HITS = (10, 30, 100)
"""How many hits a page may show; the link under the hits leads from one to the next."""


@pages.get("/")
def search() -> ResponseReturnValue:
    """Show the question, and what answers it once there is one."""
    collections = service().collections()
    query, mode, limit = request.args.get("q", "").strip(), _mode(), _limit()
    chosen, encoder = _chosen(collections), request.args.get("encoder") or None
    encoders = _askable(chosen) if collections else []
    unattended = mode == "attention" and _cannot_attend(encoders, encoder)
    result = None
    if query and collections:
        best = None if unattended else mode
        asked = SearchRequest(query=query, mode=best, limit=limit, explain=True, encoder=encoder)
        result = service().search(chosen, asked)
    shown_mode = result.mode if result else mode or MODES[-1]
    more = _more(result, limit)
    address = url_for(".search", q=query, mode=shown_mode, collection=chosen, limit=more, encoder=encoder)
    return render_template(
        "search.html",
        collections=collections,
        chosen=chosen,
        query=query,
        mode=shown_mode,
        modes=MODES,
        encoder=encoder,
        encoders=encoders,
        unattended=unattended,
        result=result,
        more=address if more else None,
        asking="question",
        calibrated_from=PASSAGES_MIN,
        **_drawing(result),
    )


@pages.get("/similar")
def similar() -> ResponseReturnValue:
    """Show what is like a passage: more of what was found."""
    chosen, limit = request.args.get("collection", DEFAULT_COLLECTION), _limit()
    example = service().passage(chosen, _passage())
    encoder = request.args.get("encoder") or None
    asked = SimilarRequest(like=[example.passage.id], limit=limit, explain=True, encoder=encoder)
    result = service().similar(chosen, asked)
    more = _more(result, limit)
    address = url_for(".similar", collection=chosen, passage=example.passage.id, limit=more, encoder=encoder)
    return render_template(
        "similar.html",
        chosen=chosen,
        example=example,
        encoder=encoder,
        encoders=[info.name for info in service().encoders(chosen) if info.complete],
        result=result,
        more=address if more else None,
        asking="example",
        **_drawing(result),
    )


def _askable(collection: str) -> list[EncoderInfo]:
    """Return the encoders that a question can be put to, the collection's own first."""
    found = service().encoders(collection)
    return [info for info in found if info.complete and info.name not in OF_FIELDS]


def _cannot_attend(encoders: Sequence[EncoderInfo], name: str | None) -> bool:
    """Return whether mode attention, which the page offers first, is none of the encoder of this name."""
    chosen = next((info for info in encoders if info.name == name), None)
    return chosen is not None and chosen.kind != "transformer" and chosen.name not in WITH_STATES


def _drawing(result: SearchResult | None) -> dict[str, Any]:
    """Return what a template draws hits with."""
    return {
        "longest": longest_bar(result.hits) if result else 0.0,
        "excerpt": excerpt,
        "whole": whole,
        "segments": segments,
        "page_of": page_of,
        "heat_map": heat_map,
    }


def _passage() -> int:
    """Return the id of the passage asked for."""
    passage = request.args.get("passage", "")
    if not re.fullmatch("[0-9]{1,20}", passage):
        raise InvalidInput(f"passage is the id of a passage, a number, not {passage[:100]!r}")
    return int(passage)


def _chosen(collections: list[CollectionInfo]) -> str:
    """Return the collection asked for, else the default one, else the first there is.

    Raises:
        UnknownCollection: others are there, but not the one asked for.
    """
    names = [collection.name for collection in collections]
    asked = request.args.get("collection")
    if asked and names and asked not in names:
        return service().collection(asked).name
    return asked or (names[0] if names and DEFAULT_COLLECTION not in names else DEFAULT_COLLECTION)


def _mode() -> Mode | None:
    """Return the mode asked for, None for the best there is."""
    mode = request.args.get("mode")
    if mode is not None and mode not in MODES:
        raise InvalidInput(f"there is no mode {mode[:100]!r}; choose one of: {', '.join(MODES)}", known=MODES)
    return mode


def _limit() -> int:
    limit = request.args.get("limit", str(HITS[0]))
    if limit not in map(str, HITS):
        raise InvalidInput(f"a page shows {', '.join(map(str, HITS))} hits, not {limit[:100]!r}")
    return int(limit)


def _more(result: SearchResult | None, limit: int) -> int | None:
    """Return the next larger number of hits, where there may be more than are shown."""
    if result is None or len(result.hits) < limit:
        return None
    return next((larger for larger in HITS if larger > limit), None)
