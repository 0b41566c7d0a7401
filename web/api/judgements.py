"""Judgements of a collection: listed, added, changed, given out, taken away."""

from typing import Any

from flask import Response, url_for

from indexer.evaluation_records import JudgedQuestion, JudgementsDetail, JudgementsInfo
from web.api.blueprint import api_part
from web.api.judged_bodies import (
    GradeBody,
    JudgementsBody,
    JudgementsFilePath,
    JudgementsPath,
    NewQuestionBody,
    QuestionNameBody,
)
from web.api.replies import reply, reply_list, reply_nothing
from web.api.schemas import CollectionPath, JudgementsList, answer_of
from web.service import service

part = api_part("judgements", "Questions of a collection whose answers people have judged.")
MADE_BY = "api"
TEXT: dict[str, Any] = {
    "description": "The file",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}


def reply_text(text: str) -> Response:
    """Return a file of text."""
    return Response(text, mimetype="text/plain")


@part.get("/collections/<collection>/judgements", responses={200: answer_of(JudgementsList, "By name")})
def list_judgements(path: CollectionPath) -> Response:
    """List the judgements of a collection."""
    return reply_list("judgements", service().judgements.all(path.collection))


@part.post(
    "/collections/<collection>/judgements", responses={201: answer_of(JudgementsInfo, "What there is now")}
)
def add_judgements(path: CollectionPath, body: JudgementsBody) -> Response:
    """Add questions and judgements under a name, all of them or none; grades take the place of old ones."""
    made = service().judgements.put(path.collection, body.name, body.asked())
    address = url_for("judgements.get_judgements", collection=path.collection, name=made.name)
    return reply(made, 201, address)


@part.get(
    "/collections/<collection>/judgements/<name>",
    responses={200: answer_of(JudgementsDetail, "The set with its questions")},
)
def get_judgements(path: JudgementsPath) -> Response:
    """Return a set with its questions and grades."""
    return reply(service().judgements.get(path.collection, path.name))


@part.delete("/collections/<collection>/judgements/<name>", responses={204: {"description": "It is gone"}})
def remove_judgements(path: JudgementsPath) -> Response:
    """Delete a set with its evaluations."""
    service().judgements.remove(path.collection, path.name)
    return reply_nothing()


@part.get("/collections/<collection>/judgements/<name>/files/<file>", responses={200: TEXT})
def export_judgements(path: JudgementsFilePath) -> Response:
    """Return a set as a file of BEIR or TREC."""
    return reply_text(service().judgements.export(path.collection, path.name, path.file))


@part.post(
    "/collections/<collection>/judgements/<name>/questions",
    responses={201: answer_of(JudgedQuestion, "The question")},
)
def add_question(path: JudgementsPath, body: NewQuestionBody) -> Response:
    """Add a question; one that is there with the same text stays as it is."""
    return reply(service().judgements.add_question(path.collection, path.name, body.text, body.id), 201)


@part.post(
    "/collections/<collection>/judgements/<name>/questions/delete",
    responses={204: {"description": "It is gone"}},
)
def remove_question(path: JudgementsPath, body: QuestionNameBody) -> Response:
    """Delete a question with its judgements."""
    service().judgements.remove_question(path.collection, path.name, body.question)
    return reply_nothing()


@part.put(
    "/collections/<collection>/judgements/<name>/grades",
    responses={200: answer_of(JudgedQuestion, "The question as it is now")},
)
def judge(path: JudgementsPath, body: GradeBody) -> Response:
    """Grade a document for a question, or take its grade back."""
    given = (body.question, body.document, body.grade)
    return reply(service().judgements.judge(path.collection, path.name, *given, made_by=MADE_BY))
