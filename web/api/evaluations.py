"""Evaluations of a collection: ordered, listed, compared, given out, taken away."""

from flask import Response, url_for

from indexer.evaluation_records import Comparison, EvaluationDetail, EvaluationInfo
from indexer.records import TaskInfo
from web.api.blueprint import api_part
from web.api.judged_bodies import (
    ComparisonParameters,
    ComparisonPath,
    EvaluationBody,
    EvaluationListParameters,
    EvaluationPath,
    RunBody,
)
from web.api.judgements import TEXT, reply_text
from web.api.replies import reply, reply_list, reply_nothing
from web.api.schemas import CollectionPath, EvaluationList, answer_of
from web.service import service

part = api_part("evaluations", "What systems are worth on judged questions.")


@part.get(
    "/collections/<collection>/evaluations", responses={200: answer_of(EvaluationList, "The newest first")}
)
def list_evaluations(path: CollectionPath, query: EvaluationListParameters) -> Response:
    """List the newest evaluations."""
    found = service().evaluations.newest(path.collection, query.judgements, query.limit)
    return reply_list("evaluations", found)


@part.post(
    "/collections/<collection>/evaluations", responses={202: answer_of(TaskInfo, "The task that measures")}
)
def evaluate(path: CollectionPath, body: EvaluationBody) -> Response:
    """Measure systems on judgements; each is an evaluation of its own once it is done."""
    task = service().evaluations.enqueue(path.collection, body.judgements, body.systems)
    return reply(task, 202, url_for("tasks.get_task", task_id=task.id))


@part.post(
    "/collections/<collection>/evaluations/runs",
    responses={201: answer_of(EvaluationInfo, "What it is worth")},
)
def import_run(path: CollectionPath, body: RunBody) -> Response:
    """Measure the rankings of another program."""
    made = service().evaluations.import_run(path.collection, body.judgements, body.run)
    address = url_for("evaluations.get_evaluation", collection=path.collection, evaluation=made.id)
    return reply(made, 201, address)


@part.get(
    "/collections/<collection>/evaluations/<number:evaluation>",
    responses={200: answer_of(EvaluationDetail, "With each question")},
)
def get_evaluation(path: EvaluationPath) -> Response:
    """Return an evaluation with the measures and the best documents of each question."""
    return reply(service().evaluations.get(path.collection, path.evaluation))


@part.delete(
    "/collections/<collection>/evaluations/<number:evaluation>",
    responses={204: {"description": "It is gone"}},
)
def remove_evaluation(path: EvaluationPath) -> Response:
    """Delete an evaluation."""
    service().evaluations.remove(path.collection, path.evaluation)
    return reply_nothing()


@part.get("/collections/<collection>/evaluations/<number:evaluation>/run", responses={200: TEXT})
def export_run(path: EvaluationPath) -> Response:
    """Return the rankings of an evaluation as a TREC run file."""
    return reply_text(service().evaluations.export_run(path.collection, path.evaluation))


@part.get(
    "/collections/<collection>/evaluations/<number:evaluation>/comparison/<number:baseline>",
    responses={200: answer_of(Comparison, "Question by question, the largest gain first")},
)
def compare(path: ComparisonPath, query: ComparisonParameters) -> Response:
    """Hold an evaluation against another on the same judgements, with the p-value of the difference."""
    return reply(
        service().evaluations.compare(path.collection, path.evaluation, path.baseline, query.measure)
    )
