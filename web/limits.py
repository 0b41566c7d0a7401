"""How much a request may hold, and how its address must be written.

A limit is set before anything is read, by content type: the framework then counts declared and
actual bytes, also of bodies that declare no length.
"""

import sys
from urllib.parse import unquote_to_bytes

from flask import Flask, request
from werkzeug.exceptions import BadRequest

from search.errors import InvalidInput
from web.service import settings

NDJSON = "application/x-ndjson"
MULTIPART = "multipart/form-data"
FILES_MAX = 1000
OTHER_PARTS_MAX = 2
"""The upload page sends a collection and a token with its files."""


def register(app: Flask) -> None:
    """Check every request of ``app``."""
    app.before_request(limit)


def limit() -> None:
    """Set the limits of the current request.

    Raises:
        BadRequest: the address is not UTF-8; it would be repaired silently and name another document.
        InvalidInput: a parameter is given more than once; all but one would be ignored.
    """
    request.max_content_length = _bytes_max()
    request.max_form_parts = FILES_MAX + OTHER_PARTS_MAX
    _refuse_address_that_is_not_utf8()
    for name, values in request.args.lists():
        if len(values) > 1:
            raise InvalidInput(f"the parameter {name[:100]!r} is given more than once")


def _bytes_max() -> int:
    if request.mimetype == MULTIPART:
        return settings().upload_bytes_max
    if request.mimetype == NDJSON:
        return sys.maxsize  # a bulk request may go on for ever; it is limited line by line
    return settings().request_bytes_max


def _refuse_address_that_is_not_utf8() -> None:
    path = request.environ.get("PATH_INFO", "").encode("latin-1")
    query = unquote_to_bytes(request.environ.get("QUERY_STRING", "").encode("latin-1"))
    try:
        path.decode("utf-8")
        query.decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest(
            "the address is not UTF-8; percent-encode the UTF-8 bytes of its characters"
        ) from None
