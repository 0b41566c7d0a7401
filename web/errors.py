"""The one place where a failure becomes an HTTP answer.

Programs (``/v1``, health) get RFC 9457 problem+json, people the same as a page, both with the same
status and code.  A deliberate failure (``SearchError``) is told in its own words; anything else is
a bug, is logged, and says nothing about our insides.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, RequestEntityTooLarge

from indexer.answers import problem
from search import errors
from search.errors import InvalidInput, SearchError, TooLarge, Unauthorized
from web.service import settings

log = logging.getLogger(__name__)

STATUS: dict[type[SearchError], int] = {
    errors.InvalidInput: 422,
    errors.InvalidFilter: 422,
    errors.UnknownName: 422,
    errors.UnknownCollection: 404,
    errors.UnknownEncoder: 404,
    errors.UnknownDocument: 404,
    errors.UnknownPassage: 404,
    errors.UnknownWord: 404,
    errors.UnknownJudgements: 404,
    errors.UnknownEvaluation: 404,
    errors.UnknownTask: 404,
    errors.CollectionExists: 409,
    errors.EncoderMismatch: 409,
    errors.NotCalibrated: 409,
    errors.NotMapped: 409,
    errors.DuplicateKey: 409,
    errors.EmptyInput: 422,
    errors.NoText: 422,
    errors.TooLittleToLearn: 422,
    errors.UnknownFileType: 422,
    errors.BrokenFile: 422,
    errors.EncryptedFile: 422,
    errors.InvalidEncoding: 422,
    errors.InvalidRecord: 422,
    errors.TooLarge: 413,
    errors.ReaderFailed: 500,
    errors.UnreadablePath: 422,
    errors.TooManyDeletions: 409,
    errors.Unauthorized: 401,
    errors.UnknownHome: 503,
    errors.HomeTooNew: 503,
    errors.CacheLocked: 503,
    errors.StoreBusy: 503,
    errors.StorageFull: 507,
    errors.StoreUnavailable: 503,
    errors.ModelUnavailable: 503,
    errors.ModelRefused: 503,
}
HEADERS: dict[int, dict[str, str]] = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "2"}}
SERVER_ERRORS = "gunicorn.http.errors"
"""What the server finds wrong with a request while its body is read."""
BODILESS_METHODS = ("GET", "HEAD")
"""Whose input is in the address alone; no view reads fields of a body and parameters as well."""
PROGRAM_PATHS = ("/v1", "/healthz", "/readyz")
SHOULD_BE: Mapping[str, str] = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a JSON object",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "list_type": "a list",
    "string_type": "text",
}
"""Pydantic's names of findings -> what a client calls the thing that is wanted."""
UNKNOWN_PARAMETER = "{name!r} is not a parameter of this address; remove it or correct its spelling"
UNKNOWN_FIELD = "{name!r} is not a field of this request; remove it or correct its spelling"
INTERNAL = "the service failed; its log has the cause"


def register(app: Flask) -> None:
    """Answer every failure of ``app`` here."""
    app.register_error_handler(SearchError, expected)
    app.register_error_handler(RequestEntityTooLarge, too_large)
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(Exception, unexpected)


def expected(error: SearchError) -> ResponseReturnValue:
    """Answer a deliberate failure with its sentence and facts."""
    return _answer(STATUS[type(error)], problem(error), {})


def too_large(_: RequestEntityTooLarge) -> ResponseReturnValue:
    """Answer a body over its limit once it is sent: before that, browsers show no answer at all."""
    limit = request.max_content_length
    _drain(8 * settings().upload_bytes_max)
    message = f"the request is larger than {limit} bytes, or has too many parts; send it in smaller pieces"
    return expected(TooLarge(message, limit_bytes=limit))


def refused(error: HTTPException) -> ResponseReturnValue:
    """Answer what the framework refuses: no such address, wrong method, wrong content type."""
    status = error.code or 500
    facts = {"code": HTTPStatus(status).phrase.lower().replace(" ", "_"), "detail": _sentence(error)}
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return _answer(status, facts, headers)


def unexpected(error: Exception) -> ResponseReturnValue:
    """Answer a bug: the log gets the traceback, the caller a number."""
    if type(error).__module__ == SERVER_ERRORS:
        return refused(BadRequest("the body breaks the rules of HTTP; its chunks are malformed"))
    log.exception("unexpected error")
    return _answer(500, {"code": "internal_error", "detail": INTERNAL}, {})


def invalid(error: ValidationError) -> NoReturn:
    """Raise pydantic's findings as one ``InvalidInput``: a sentence, and a JSON pointer for each."""
    found = [
        {"pointer": _pointer(one), "detail": _finding(one)}
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise InvalidInput(found[0]["detail"] + others, errors=found) from None


def asked_by_program() -> bool:
    """Whether the current request came to an address of the JSON API or of health."""
    return request.path.startswith(PROGRAM_PATHS)


def _answer(status: int, facts: Mapping[str, Any], headers: Mapping[str, str]) -> ResponseReturnValue:
    headers = {**HEADERS.get(status, {}), **headers}
    if not asked_by_program():
        page = "sign_in.html" if facts["code"] == Unauthorized.code else "error.html"
        return (
            render_template(page, status=status, code=facts["code"], detail=facts["detail"]),
            status,
            headers,
        )
    body = jsonify({"title": str(facts["code"]).replace("_", " "), "status": status, **facts})
    body.content_type = "application/problem+json"
    return body, status, headers


def _sentence(error: HTTPException) -> str:
    if error.code == 404 and error.description == NotFound.description:
        return f"there is nothing at {request.path}"
    if error.code == 405:
        return f"{request.method} is not a method of {request.path}"
    return error.description or error.name


def _drain(bytes_max: int) -> None:
    """Read and drop the rest of the body; one of undeclared length only where the server ends it."""
    ended_by_server = "wsgi.input_terminated" in request.environ
    left = min(bytes_max, request.content_length or (bytes_max if ended_by_server else 0))
    while left > 0 and (piece := request.environ["wsgi.input"].read(min(left, 1 << 16))):
        left -= len(piece)


def _pointer(finding: ErrorDetails) -> str:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in finding["loc"])
    return "".join(f"/{step}" for step in steps)


def _finding(finding: ErrorDetails) -> str:
    name = ".".join(str(step) for step in finding["loc"])
    if finding["type"] == "extra_forbidden":
        return (UNKNOWN_PARAMETER if request.method in BODILESS_METHODS else UNKNOWN_FIELD).format(name=name)
    if finding["type"] == "missing":
        return f"{name!r} is required"
    if wanted := SHOULD_BE.get(finding["type"]):
        return f"{name!r} should be {wanted}"
    return finding["msg"].replace("Input", repr(name), 1) if name else finding["msg"]
