"""Evaluations: systems by measures, which differences are more than chance, on which questions they rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from indexer.evaluation_records import Comparison, Difference, EvaluationInfo
from indexer.evaluations import NAMES
from search.errors import InvalidInput
from search.evaluation.measures import COMPARED
from search.model import LIMIT_MAX, MODES
from web.service import service

pages = Blueprint("evaluations_page", __name__)
QUESTIONS_SHOWN = 200
"""Of a comparison; of more, half are the largest gains and half the largest losses."""
ROW, LEFT, RIGHT, WIDTH = 26, 170, 520, 640
"""Of the picture of systems, in its own units: height of a row, the axis from 0 to 1, and all of it."""
BAR, HEIGHT, MARGIN = 120.0, 260, 32
"""Of the picture of questions: how long a difference of 1 is, all of it, room for words on the left."""


@dataclass(frozen=True, slots=True)
class Row:
    """A system of the table: its run, and how it compares with the baseline by each measure."""

    run: EvaluationInfo
    compared: Mapping[str, Comparison]
    """Empty of the baseline."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A question of the picture."""

    question: Difference
    x: float
    y: float
    width: float
    height: float


@pages.get("/collections/<collection>/evaluations")
def evaluations(collection: str) -> ResponseReturnValue:
    """Show the newest run of each system on one set of judgements, held against a baseline."""
    sets = service().judgements.all(collection)
    name = request.args.get("judgements") or (sets[0].name if sets else None)
    runs = [] if name is None else service().evaluations.newest(collection, name, LIMIT_MAX)
    shown = _newest(runs)
    baseline = _baseline(shown)
    return render_template(
        "evaluations.html",
        collection=collection,
        sets=sets,
        name=name,
        systems=service().evaluations.systems(collection),
        usual=MODES,
        measures=NAMES,
        compared=COMPARED,
        rows=[_row(collection, run, baseline) for run in shown],
        baseline=baseline,
        others=[run for run in runs if run not in shown],
        size=(WIDTH, ROW * len(shown) + 34, LEFT, RIGHT, ROW),
    )


@pages.post("/collections/<collection>/evaluations")
def evaluate(collection: str) -> ResponseReturnValue:
    """Have systems measured, and lead to the page that shows how far that is."""
    name = request.form.get("judgements", "")
    task = service().evaluations.enqueue(collection, name, request.form.getlist("system"))
    return redirect(url_for("uploads_page.task", task_id=task.id), 303)


@pages.post("/collections/<collection>/evaluations/remove")
def remove(collection: str) -> ResponseReturnValue:
    """Delete the run that the form names, and show the others."""
    service().evaluations.remove(collection, _number(request.form.get("evaluation", "")))
    return redirect(url_for(".evaluations", collection=collection), 303)


@pages.get("/collections/<collection>/evaluations/<number:evaluation>")
def evaluation(collection: str, evaluation: int) -> ResponseReturnValue:
    """Show one run, question by question, held against another where one is chosen."""
    detail = service().evaluations.get(collection, evaluation)
    run = detail.evaluation
    measure = request.args.get("measure", COMPARED)
    runs = service().evaluations.newest(collection, run.judgements, LIMIT_MAX)
    others = [each for each in runs if each.judgements_digest == run.judgements_digest and each.id != run.id]
    given = request.args.get("baseline", "")
    compared = (
        service().evaluations.compare(collection, evaluation, _number(given), measure) if given else None
    )
    differences = [] if compared is None else _some(compared.questions)
    return render_template(
        "evaluation.html",
        collection=collection,
        run=run,
        questions=detail.questions,
        others=others,
        measures=NAMES,
        measure=measure,
        compared=compared,
        differences=differences,
        left_out=0 if compared is None else len(compared.questions) - len(differences),
        bars=_bars(differences),
        size=(WIDTH, HEIGHT),
    )


def _newest(runs: Sequence[EvaluationInfo]) -> list[EvaluationInfo]:
    """Return the newest run of each system on the judgements that were measured last, the best first."""
    digest = runs[0].judgements_digest if runs else None
    newest = {run.system: run for run in reversed(runs) if run.judgements_digest == digest}
    return sorted(newest.values(), key=lambda run: -run.measures[COMPARED])


def _baseline(shown: Sequence[EvaluationInfo]) -> EvaluationInfo | None:
    """Return the run that the others are held against: the chosen one, else the worst."""
    given = request.args.get("baseline", "")
    if not shown or not given:
        return shown[-1] if shown else None
    number = _number(given)
    return next((run for run in shown if run.id == number), shown[-1])


def _row(collection: str, run: EvaluationInfo, baseline: EvaluationInfo | None) -> Row:
    if baseline is None or baseline.id == run.id:
        return Row(run, {})
    return Row(
        run, {name: service().evaluations.compare(collection, run.id, baseline.id, name) for name in NAMES}
    )


def _number(given: str) -> int:
    if not (given.isascii() and given.isdecimal()) or len(given) > len(str(2**63)):
        raise InvalidInput(f"{given[:40]!r} is no number of an evaluation")
    return int(given)


def _some(questions: Sequence[Difference]) -> Sequence[Difference]:
    half = QUESTIONS_SHOWN // 2
    return questions if len(questions) <= QUESTIONS_SHOWN else [*questions[:half], *questions[-half:]]


def _bars(questions: Sequence[Difference]) -> list[Bar]:
    """Return the picture's bars from left to right; a gain rises from the middle, a loss falls."""
    step = (WIDTH - MARGIN) / max(len(questions), 1)
    middle = HEIGHT / 2
    return [
        Bar(
            question,
            MARGIN + place * step + step * 0.1,
            middle - max(question.difference, 0.0) * BAR,
            step * 0.8,
            max(abs(question.difference) * BAR, 1.0),
        )
        for place, question in enumerate(questions)
    ]
