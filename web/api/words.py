"""Words of a collection: neighbours, similarity, analogies, the odd one out, typical contexts."""

from collections.abc import Iterable

from flask import Response, request, url_for
from pydantic import Field
from werkzeug.exceptions import UnsupportedMediaType

from indexer.records import TaskInfo, WordsAnswer
from indexer.words import LIMIT_MAX
from search.encoders.fitted.word_vector_text import count_lines, vector_lines
from search.errors import InvalidInput
from web.api import ingest
from web.api.blueprint import api_part
from web.api.replies import reply
from web.api.schemas import REFERENCE, Body, CollectionPath, EncoderName, Parameters, UploadForm, answer_of
from web.limits import MULTIPART
from web.service import service
from web.uploads import uploaded_files

PLAIN = "text/plain"
FILE = {
    "requestBody": {
        "required": True,
        "content": {MULTIPART: {"schema": {"$ref": REFERENCE.format(model=UploadForm.__name__)}}},
    }
}
TEXT = {"content": {PLAIN: {"schema": {"type": "string"}}}}

part = api_part("words", "What the words of a collection have to do with each other.")


class WordsBody(Body):
    """A question about words."""

    ask: str = Field(description="neighbours, similarity, analogy, odd or contexts")
    words: list[str] = Field(
        description="One; two for similarity; a, b, c for an analogy; three or more for odd"
    )
    limit: int = Field(default=10, json_schema_extra={"minimum": 1, "maximum": LIMIT_MAX})
    encoder: EncoderName | None = None


class WordVectorsParameters(Parameters):
    """Whose vectors of words."""

    encoder: EncoderName | None = None


@part.post("/collections/<collection>/words", responses={200: answer_of(WordsAnswer, "Best first")})
def words(path: CollectionPath, body: WordsBody) -> Response:
    """Ask about words, which an encoder that has a vector for each of them answers."""
    return reply(service().words.ask(path.collection, body.ask, body.words, body.limit, body.encoder))


@part.get(
    "/collections/<collection>/words/vectors",
    responses={
        200: {"description": "A line `words dimension`, then of each word a line with its numbers", **TEXT}
    },
)
def word_vectors(path: CollectionPath, query: WordVectorsParameters) -> Response:
    """Return the vectors of all words in word2vec's text format, the most frequent word first."""
    return _lines(vector_lines(service().words.vectors(path.collection, query.encoder)))


@part.post(
    "/collections/<collection>/words/vectors",
    openapi_extensions=FILE,
    responses={202: answer_of(TaskInfo, "The file is safe; the task makes an encoder of it")},
)
def import_word_vectors(path: CollectionPath) -> Response:
    """Make the encoder word-vectors of a file in word2vec's text format."""
    if request.mimetype != MULTIPART:
        raise UnsupportedMediaType(f"send the file as {MULTIPART!r}, in a part named 'file'")
    ingest.only_files()
    first, *others = uploaded_files("file")
    if others:
        raise InvalidInput(f"{len(others) + 1} files were sent; send one file of vectors")
    task = service().import_vectors(path.collection, first)
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))


@part.get(
    "/collections/<collection>/words/counts",
    responses={200: {"description": "Of each word a line with its count", **TEXT}},
)
def word_counts(path: CollectionPath, query: WordVectorsParameters) -> Response:
    """Return how often each word occurs, the most frequent first."""
    return _lines(count_lines(service().words.vectors(path.collection, query.encoder)))


def _lines(lines: Iterable[bytes]) -> Response:
    return Response(lines, mimetype=PLAIN)
