"""Words of a collection: neighbours, similarity, analogies, the odd one out, typical contexts."""

from collections.abc import Iterable

from flask import Response

from indexer.records import WordsAnswer
from search.encoders.fitted.word_vector_text import count_lines, vector_lines
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import CollectionPath, WordsBody, WordVectorsParameters, answer_of
from web.service import service

PLAIN = "text/plain"
TEXT = {"content": {PLAIN: {"schema": {"type": "string"}}}}

part = api_part("words", "What the words of a collection have to do with each other.")


@part.post("/collections/<collection>/words", responses={200: answer_of(WordsAnswer, "Best first")})
def words(path: CollectionPath, body: WordsBody) -> Response:
    """Ask about words, which an encoder that has a vector for each of them answers."""
    return reply(service().words(path.collection, body.ask, body.words, body.limit, body.encoder))


@part.get(
    "/collections/<collection>/words/vectors",
    responses={
        200: {"description": "A line `words dimension`, then of each word a line with its numbers", **TEXT}
    },
)
def word_vectors(path: CollectionPath, query: WordVectorsParameters) -> Response:
    """Return the vectors of all words in word2vec's text format, the most frequent word first."""
    return _lines(vector_lines(service().word_vectors(path.collection, query.encoder)))


@part.get(
    "/collections/<collection>/words/counts",
    responses={200: {"description": "Of each word a line with its count", **TEXT}},
)
def word_counts(path: CollectionPath, query: WordVectorsParameters) -> Response:
    """Return how often each word occurs, the most frequent first."""
    return _lines(count_lines(service().word_vectors(path.collection, query.encoder)))


def _lines(lines: Iterable[bytes]) -> Response:
    return Response(lines, mimetype=PLAIN)
