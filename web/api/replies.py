"""Records of the Service as HTTP answers."""

from collections.abc import Sequence
from typing import Any

from flask import Response, jsonify

from indexer.answers import answer


def reply(record: Any, status: int = 200, location: str | None = None) -> Response:
    """Return one record as JSON; ``location`` is the address where it can be asked for again."""
    return _finished(jsonify(answer(record)), status, location)


def reply_list(name: str, records: Sequence[Any]) -> Response:
    """Return records as the member ``name`` of a JSON object, which leaves room for further members."""
    return jsonify({name: [answer(record) for record in records]})


def reply_nothing() -> Response:
    """Return 204: it is done and there is nothing to say."""
    return Response(status=204)


def _finished(response: Response, status: int, location: str | None) -> Response:
    response.status_code = status
    if location is not None:
        response.headers["Location"] = location
    return response
