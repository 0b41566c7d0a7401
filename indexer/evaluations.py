"""Evaluation runs of a collection: ordered, listed, compared, brought in and out.

``indexer/evaluation_tasks.py`` makes them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence

from sqlalchemy.engine import Connection

from indexer.clock import Clock
from indexer.evaluation_records import (
    Comparison,
    Difference,
    EvaluatedQuestion,
    EvaluationDetail,
    EvaluationInfo,
    JudgedQuestion,
    NewRun,
)
from indexer.records import TaskInfo
from indexer.store import collections, evaluations, judgements, tasks
from indexer.store.collections import Collection
from indexer.store.judgements import JudgementSet
from indexer.store.sessions import Database
from indexer.store.storable import is_text
from indexer.systems import check_there, checked_systems, systems_of
from search.errors import InvalidInput
from search.evaluation.formats import read_run, write_run
from search.evaluation.measures import COMPARED, DEPTH, MEASURES, by_query, means
from search.evaluation.paired import p_value
from search.question import checked_limit

TAG_CHARACTERS_MAX = 100
NAMES = tuple(str(measure) for measure in MEASURES)


def asked_of(connection: Connection, judged: JudgementSet) -> list[JudgedQuestion]:
    """Return the questions of a set that are judged; raise ``InvalidInput`` where none is."""
    asked = [question for question in judgements.questions(connection, judged) if question.judgements]
    if not asked:
        raise InvalidInput(f"no question of {judged.name!r} is judged yet; judge some answers first")
    return asked


def measured(
    connection: Connection,
    found: Collection,
    judged: JudgementSet,
    asked: Sequence[JudgedQuestion],
    rankings: Mapping[str, Sequence[str]],
    **facts: object,
) -> NewRun:
    """Return a run as it is stored: rankings (question -> keys, best first) measured by ``asked``."""
    grades = {question.id: question.judgements for question in asked}
    values = by_query(grades, rankings)
    cover = judgements.coverage(connection, found, judged)
    told = [[question.id, question.text, sorted(question.judgements.items())] for question in asked]
    return NewRun(
        judgements_digest=hashlib.sha256(json.dumps(sorted(told)).encode()).hexdigest(),
        judged_documents=cover.judged,
        missing_documents=cover.missing,
        changed_documents=cover.changed,
        measures=means(values),
        questions=[
            EvaluatedQuestion(
                question.id,
                question.text,
                {name: values[name][question.id] for name in values},
                list(rankings[question.id])[:DEPTH],
            )
            for question in asked
        ],
        last_change_number=collections.newest_change(connection, found),
        **facts,  # type: ignore[arg-type]  # the rest of the record's fields
    )


class Evaluations:
    """The evaluation runs of an installation."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def systems(self, collection: str) -> list[str]:
        """Return the systems that a collection can answer by as it is; raise ``UnknownCollection``."""
        with self._database.read() as connection:
            return systems_of(connection, collections.get(connection, collection))

    def enqueue(self, collection: str, name: str, systems: Sequence[str]) -> TaskInfo:
        """Have a worker measure systems on a set of judgements.

        Raises:
            UnknownCollection, UnknownJudgements, UnknownEncoder: there is none.
            InvalidInput: a system is unknown, cannot answer here, or nothing is judged.
        """
        chosen = checked_systems(systems)
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            judged = judgements.get(connection, found, name)
            asked_of(connection, judged)
            for system in chosen:
                check_there(connection, found, system)
            return tasks.enqueue(
                connection,
                tasks.EVALUATION,
                found.name,
                {"judgements": judged.name, "systems": chosen},
                tasks.PARTS * len(chosen),
                self._clock(),
            )

    def newest(self, collection: str, name: str | None = None, limit: int = 50) -> list[EvaluationInfo]:
        """Return the newest runs first, of one set of judgements or of all.

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            InvalidInput: the limit is not from 1 to 1000.
        """
        checked_limit(limit)
        with self._database.read() as connection:
            found = collections.get(connection, collection)
            judged = None if name is None else judgements.get(connection, found, name)
            return evaluations.newest(connection, found, judged, limit)

    def get(self, collection: str, number: int) -> EvaluationDetail:
        """Return a run with its questions; raise ``UnknownCollection`` or ``UnknownEvaluation``."""
        with self._database.read() as connection:
            info = evaluations.get(connection, collections.get(connection, collection), number)
            return EvaluationDetail(info, evaluations.questions(connection, info.id))

    def compare(self, collection: str, number: int, baseline: int, measure: str = COMPARED) -> Comparison:
        """Compare two runs on the same judgements by one measure.

        Raises:
            UnknownCollection, UnknownEvaluation: there is none.
            InvalidInput: there is no such measure, or the judgements are not the same.
        """
        if measure not in NAMES:
            raise InvalidInput(f"there is no measure {measure[:100]!r}; choose one of: {', '.join(NAMES)}")
        ours, theirs = self.get(collection, number), self.get(collection, baseline)
        if ours.evaluation.judgements_digest != theirs.evaluation.judgements_digest:
            raise InvalidInput(
                f"evaluations {number} and {baseline} were measured on different judgements; "
                "evaluate both systems again",
                evaluation=number,
                baseline=baseline,
            )
        before = {question.id: question.measures[measure] for question in theirs.questions}
        values = {question.id: question.measures[measure] for question in ours.questions}
        differences = [
            Difference(
                question.id,
                question.text,
                values[question.id],
                before[question.id],
                values[question.id] - before[question.id],
            )
            for question in ours.questions
        ]
        value, other = ours.evaluation.measures[measure], theirs.evaluation.measures[measure]
        return Comparison(
            evaluation=number,
            baseline=baseline,
            measure=measure,
            value=value,
            baseline_value=other,
            difference=value - other,
            p_value=p_value(values, before),
            questions=sorted(differences, key=lambda each: -each.difference),
        )

    def import_run(self, collection: str, name: str, text: str) -> EvaluationInfo:
        """Measure the rankings of a TREC run file; a judged question that it lacks counts as 0.

        Raises:
            UnknownCollection, UnknownJudgements: there is none.
            InvalidInput: the file is malformed, or answers a question that the set does not have.
        """
        with self._database.read() as connection:
            judged = judgements.get(connection, collections.get(connection, collection), name)
            known = {question.id for question in judgements.questions(connection, judged)}
        run = read_run(text, DEPTH, known=known)
        if len(run.tag) > TAG_CHARACTERS_MAX or not all(
            map(is_text, [run.tag, *(key for keys in run.rankings.values() for key in keys)])
        ):
            raise InvalidInput(
                f"a tag has at most {TAG_CHARACTERS_MAX} characters, and no name holds a character "
                "that is no text (NUL or half a character)"
            )
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            judged = judgements.get(connection, found, name)
            asked = asked_of(connection, judged)
            made = measured(
                connection,
                found,
                judged,
                asked,
                {question.id: run.rankings.get(question.id, []) for question in asked},
                system=run.tag,
                imported=True,
                settings={},
                task_id=None,
                generation=None,
                change_number=found.change_number,
                ms_per_query_p50=None,
            )
            number = evaluations.add(connection, found, judged, made, self._clock())
            return evaluations.get(connection, found, number)

    def export_run(self, collection: str, number: int) -> str:
        """Return a run as the text of a TREC run file.

        Raises:
            UnknownCollection, UnknownEvaluation: there is none.
            InvalidInput: a key holds white space.
        """
        detail = self.get(collection, number)
        rankings = {question.id: question.ranking for question in detail.questions}
        return write_run(detail.evaluation.system, rankings)

    def remove(self, collection: str, number: int) -> None:
        """Delete a run; raise ``UnknownCollection`` or ``UnknownEvaluation``."""
        with self._database.write() as connection:
            found = collections.get(connection, collection)
            evaluations.remove(connection, evaluations.get(connection, found, number).id)
