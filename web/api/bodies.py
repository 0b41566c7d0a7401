"""Reading request bodies: JSON objects whole, NDJSON line by line.

``read_object`` runs before every API view that takes a body.  It leaves the parsed object where the
framework looks for it; the framework by itself takes a body that does not parse for an empty one.
"""

import io
from collections.abc import Iterator
from typing import cast

from flask import Request, current_app, request
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from search.errors import InvalidInput
from web.errors import UNKNOWN_PARAMETER

PIECE = 1 << 16


class ApiRequest(Request):
    """A request that says in words why its JSON body cannot be taken."""

    def on_json_loading_failed(self, e: ValueError | None) -> None:
        """Refuse the body: of another content type (``e`` is None), or no JSON."""
        if e is None:
            raise UnsupportedMediaType("send the body as JSON, with 'Content-Type: application/json'")
        raise BadRequest(f"the body is not valid JSON: {e}")


def read_object() -> None:
    """Parse the body of the current request where its view takes one.

    Raises:
        BadRequest: the body is no JSON.
        RequestEntityTooLarge: it is over its limit.
        UnsupportedMediaType: the body is not said to be JSON.
        InvalidInput: the body is JSON but no object, or a parameter is given that the view ignores.
    """
    wanted = current_app.view_functions[request.endpoint or ""].__annotations__
    if request.method == "OPTIONS":
        return
    if "body" in wanted:
        if not request.is_json:
            request.on_json_loading_failed(None)
        _refuse_cut_body()
        if not isinstance(request.get_json(), dict):
            raise InvalidInput("the body should be a JSON object")
    if "query" not in wanted and request.args:
        raise InvalidInput(UNKNOWN_PARAMETER.format(name=next(iter(request.args))[:100]))


def _refuse_cut_body() -> None:
    """Refuse what the framework would read in part: it stops a body of undeclared length at the limit."""
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(request.get_data()) >= limit:
        raise RequestEntityTooLarge()


def body_lines(longest: int) -> Iterator[bytes]:
    """Yield the lines of the current request's body, as they arrive.

    A line of more than ``longest`` bytes comes cut to ``longest + 1``, which is enough to refuse it;
    its rest is read and dropped, so that no line can fill the memory.
    """
    reader = io.BufferedReader(cast(io.RawIOBase, request.stream), PIECE)
    while line := reader.readline(longest + 1):
        yield line
        while len(line) > longest and not line.endswith(b"\n"):
            line = reader.readline(longest + 1)
