"""Storing many documents: NDJSON with a status for each line, or files, which are read later.

The statuses of a bulk request are kept aside until its body has been read.  Most clients send
everything before they read anything; a service that answers meanwhile fills the connection's
buffers and then waits for a client that waits for it.

``web/api/documents.py`` has the route.
"""

import logging
from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from flask import Response, current_app, request, url_for
from werkzeug.exceptions import UnsupportedMediaType

from indexer.answers import answer
from indexer.records import LineStatus
from search.errors import InvalidInput, SearchError
from web.api.bodies import body_lines
from web.api.replies import reply
from web.errors import INTERNAL, STATUS
from web.limits import MULTIPART, NDJSON
from web.service import service, settings
from web.uploads import uploaded_files

log = logging.getLogger(__name__)

MEMORY_BYTES = 1 << 20
WANTED = f"send documents as {NDJSON!r}, one JSON object a line, or files as {MULTIPART!r}"


def add(collection: str) -> Response:
    """Store what the current request brings, by its content type.

    Raises:
        UnsupportedMediaType: it is neither NDJSON nor a multipart form.
    """
    if request.mimetype == NDJSON:
        return _bulk(collection)
    if request.mimetype == MULTIPART:
        return _upload(collection)
    raise UnsupportedMediaType(WANTED)


def only_files() -> None:
    """Raise ``InvalidInput`` where the form of the current request has parts that are not named 'file'."""
    unknown = [name for name in (*request.form, *request.files) if name != "file"]
    if unknown:
        raise InvalidInput(f"{unknown[0]!r} is not a part of this form; files go in parts named 'file'")


def _upload(collection: str) -> Response:
    only_files()
    task = service().upload(collection, uploaded_files("file"))
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))


def _bulk(collection: str) -> Response:
    statuses = service().bulk(collection, body_lines(settings().request_bytes_max))
    first = next(statuses, None)  # a failure before the first line is the whole answer
    aside = SpooledTemporaryFile(max_size=MEMORY_BYTES)
    for status in _until_failure(first, statuses):
        aside.write(current_app.json.dumps(answer(status), separators=(",", ":")).encode() + b"\n")
    aside.seek(0)
    response = Response(_pieces(aside), mimetype=NDJSON)
    response.call_on_close(aside.close)
    return response


def _until_failure(first: LineStatus | None, statuses: Iterator[LineStatus]) -> Iterator[LineStatus]:
    """Yield the statuses; a failure that ends the request becomes the status of the line it struck."""
    if first is None:
        return
    last = first
    yield first
    try:
        for last in statuses:
            yield last
    except SearchError as error:
        yield _ended(last.line + 1, STATUS[type(error)], error.code, str(error))
    except Exception:
        log.exception("unexpected error in a bulk request")
        yield _ended(last.line + 1, 500, "internal_error", INTERNAL)


def _ended(line: int, status: int, code: str, detail: str) -> LineStatus:
    return LineStatus(
        line, status, code=code, detail=f"{detail}; this line and those after it are not stored"
    )


def _pieces(file: IO[Any]) -> Iterator[bytes]:
    with file:
        while piece := file.read(1 << 16):
            yield piece
