"""The encoders of a collection: list, fit, switch, remove."""

from flask import Response, url_for
from pydantic import Field

from indexer.records import TaskInfo
from search.encoders.fitted.features import KINDS as FIELD_KINDS
from search.encoders.fitted.features import WEIGHT_MAX
from web.api.blueprint import api_part
from web.api.replies import reply, reply_list, reply_nothing
from web.api.schemas import Body, CollectionPath, EncoderList, answer_of
from web.service import service

part = api_part("encoders", "What turns the texts of a collection into vectors.")


class EncoderPath(CollectionPath):
    """An encoder of a collection by name."""

    encoder: str


class DeclaredField(Body):
    """A field of the documents that counts, as what, and how much."""

    name: str
    kind: str = Field(description=", ".join(FIELD_KINDS))
    weight: float = Field(default=1.0, json_schema_extra={"exclusiveMinimum": 0, "maximum": WEIGHT_MAX})


class FitBody(Body):
    """An encoder to be fit on a collection."""

    name: str
    seed: int = Field(default=0, ge=0, lt=2**31, description="Of all draws")
    learn_on: bool = Field(
        default=False, alias="continue", description="Word2vec: start from the fit in use, instead of anew"
    )
    fields: list[DeclaredField] = Field(
        default_factory=list, description="Of `features` alone: what its vectors are made of"
    )


class SwitchBody(Body):
    """A pretrained encoder that is to take the place of a collection's own."""

    name: str
    force: bool = Field(default=False, description="Adopt it however its test comes out")
    judgements: str | None = Field(
        default=None, description="Of the collection, to be tested by; null: by questions in its texts"
    )


@part.get(
    "/collections/<collection>/encoders", responses={200: answer_of(EncoderList, "Its own encoder first")}
)
def list_encoders(path: CollectionPath) -> Response:
    """List the encoders of a collection: its own, and those that were fit on its passages."""
    return reply_list("encoders", service().encoders(path.collection))


@part.post(
    "/collections/<collection>/encoders", responses={202: answer_of(TaskInfo, "The task that fits it")}
)
def fit_encoder(path: CollectionPath, body: FitBody) -> Response:
    """Fit an encoder on the collection's passages; it is searched by once it has read all of them."""
    task = service().fit_encoder(
        path.collection,
        body.name,
        body.seed,
        [dict(field) for field in body.fields],
        learn_on=body.learn_on,
    )
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))


@part.post(
    "/collections/<collection>/encoders/switch", responses={202: answer_of(TaskInfo, "The task that does it")}
)
def switch_encoder(path: CollectionPath, body: SwitchBody) -> Response:
    """Have another pretrained encoder read all passages, and make it the collection's own if it is no worse.

    The report of the task says what its test found.
    """
    task = service().switch_encoder(path.collection, body.name, body.force, body.judgements)
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))


@part.post(
    "/collections/<collection>/encoders/rollback",
    responses={200: answer_of(EncoderList, "Its own encoder first")},
)
def roll_back_encoder(path: CollectionPath) -> Response:
    """Make the collection's former encoder its own again, at once."""
    return reply_list("encoders", service().roll_back_encoder(path.collection))


@part.delete("/collections/<collection>/encoders/<encoder>", responses={204: {"description": "It is gone"}})
def remove_encoder(path: EncoderPath) -> Response:
    """Take an encoder that is not the collection's own away from it, with its vectors."""
    service().remove_encoder(path.collection, path.encoder)
    return reply_nothing()
