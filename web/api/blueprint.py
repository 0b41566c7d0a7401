"""How every part of the JSON API is made: its address, its failures, its bodies."""

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from web.api.bodies import read_object
from web.api.schemas import FAILURES


def api_part(name: str, description: str, prefix: str = "/v1") -> APIBlueprint:
    """Return an empty part of the API, shown under ``name`` in the OpenAPI document."""
    part = APIBlueprint(
        name,
        __name__,
        url_prefix=prefix,
        abp_tags=[Tag(name=name, description=description)],
        abp_responses=FAILURES,
        operation_id_callback=_operation_id,
    )
    part.before_request(read_object)
    return part


def _operation_id(*, name: str, path: str, method: str) -> str:
    """Return the name of the view: generated clients call their methods after it."""
    return name
