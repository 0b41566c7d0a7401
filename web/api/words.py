"""Words of a collection: neighbours, similarity, analogies, the odd one out, typical contexts."""

from flask import Response

from indexer.records import WordsAnswer
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import CollectionPath, WordsBody, answer_of
from web.service import service

part = api_part("words", "What the words of a collection have to do with each other.")


@part.post("/collections/<collection>/words", responses={200: answer_of(WordsAnswer, "Best first")})
def words(path: CollectionPath, body: WordsBody) -> Response:
    """Ask about words, which an encoder that has a vector for each of them answers."""
    return reply(service().words(path.collection, body.ask, body.words, body.limit, body.encoder))
