"""The OpenAPI document, generated from the views and records; no page and no foreign script."""

from importlib.metadata import version
from typing import Any, cast

from flask import Blueprint, Flask, current_app, jsonify
from flask.typing import ResponseReturnValue
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.types import SecuritySchemesDict

from web.api import (
    collections,
    documents,
    encoders,
    evaluations,
    health,
    judgements,
    maps,
    search,
    tasks,
    words,
)
from web.api.bodies import read_object
from web.api.schemas import ProblemDetails, components
from web.errors import invalid

part = Blueprint("openapi", __name__)
part.before_request(read_object)
SECURITY: SecuritySchemesDict = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "api-key"},
}


def new_app() -> OpenAPI:
    """Return an app without routes whose API views validate their input and document themselves."""
    return OpenAPI(
        "web",
        info=Info(
            title="xunyi", version=version("xunyi"), description="Search English and Chinese documents."
        ),
        security_schemes=SECURITY,
        openapi_extensions={"security": [{}, {"bearer": []}, {"header": []}]},
        doc_ui=False,
        validation_error_model=ProblemDetails,
        validation_error_callback=invalid,
    )


def register(app: OpenAPI) -> None:
    """Add every part of the API to ``app``."""
    modules = (
        collections,
        encoders,
        words,
        maps,
        documents,
        search,
        judgements,
        evaluations,
        tasks,
        health,
    )
    for module in modules:
        app.register_api(module.part)
    app.register_blueprint(part)


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of ``app``."""
    written = dict(cast(OpenAPI, app).api_doc)
    parts = written["components"]
    return {**written, "components": {**parts, "schemas": {**parts["schemas"], **components()}}}


@part.get("/v1/openapi.json")
def openapi_json() -> ResponseReturnValue:
    """Return the document."""
    return jsonify(document(current_app._get_current_object()))  # type: ignore[attr-defined]
