"""Whether the service lives (``/healthz``), and whether it can answer a search now (``/readyz``)."""

from flask import Response

from indexer.records import Health
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import answer_of
from web.service import service

part = api_part("health", "For supervisors and load balancers.", prefix="")


@part.get("/healthz", responses={200: answer_of(Health, "The database can be reached")})
def healthz() -> Response:
    """Tell whether the service lives; cheap."""
    return reply(service().health())


@part.get("/readyz", responses={200: answer_of(Health, "The models are open and searches are answered")})
def readyz() -> Response:
    """Tell whether the service can answer a search; opens the models of existing collections."""
    return reply(service().ready())
