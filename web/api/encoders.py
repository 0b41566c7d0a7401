"""The encoders of a collection: list, remove."""

from flask import Response

from web.api.blueprint import api_part
from web.api.replies import reply_list, reply_nothing
from web.api.schemas import CollectionPath, EncoderList, EncoderPath, answer_of
from web.service import service

part = api_part("encoders", "What turns the texts of a collection into vectors.")


@part.get(
    "/collections/<collection>/encoders", responses={200: answer_of(EncoderList, "Its own encoder first")}
)
def list_encoders(path: CollectionPath) -> Response:
    """List the encoders of a collection: its own, and those that were fit on its passages."""
    return reply_list("encoders", service().encoders(path.collection))


@part.delete("/collections/<collection>/encoders/<encoder>", responses={204: {"description": "It is gone"}})
def remove_encoder(path: EncoderPath) -> Response:
    """Take an encoder that was fit on a collection away from it, with its vectors."""
    service().remove_encoder(path.collection, path.encoder)
    return reply_nothing()
