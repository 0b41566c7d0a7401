"""Evaluation runs: what a system was worth on a set of judgements, question by question."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.evaluation_records import EvaluatedQuestion, EvaluationInfo, NewRun
from indexer.store.collections import Collection, lock
from indexer.store.judgements import JudgementSet
from indexer.store.tables import EvaluatedQuestionRow, EvaluationRunRow, JudgementSetRow
from search.errors import UnknownEvaluation, UnknownJudgements

NUMBER_MAX = 2**63 - 1
"""Of a row; a larger one no database can hold."""

_COLUMNS = sa.select(
    EvaluationRunRow.id,
    JudgementSetRow.name.label("judgements"),
    EvaluationRunRow.system,
    EvaluationRunRow.imported,
    EvaluationRunRow.settings,
    EvaluationRunRow.generation_id.label("generation"),
    EvaluationRunRow.change_number,
    EvaluationRunRow.last_change_number,
    EvaluationRunRow.judgements_digest,
    EvaluationRunRow.questions,
    EvaluationRunRow.judged_documents,
    EvaluationRunRow.missing_documents,
    EvaluationRunRow.changed_documents,
    EvaluationRunRow.measures,
    EvaluationRunRow.ms_per_query_p50,
    EvaluationRunRow.created_at,
).join(JudgementSetRow, JudgementSetRow.id == EvaluationRunRow.set_id)


def add(
    connection: Connection, collection: Collection, judged: JudgementSet, run: NewRun, now: datetime
) -> int:
    """Store a run with its questions; return its number.

    Raises:
        UnknownCollection, UnknownJudgements: the collection or the set was deleted in the meantime.
    """
    lock(connection, collection)
    still = sa.select(JudgementSetRow.id).where(JudgementSetRow.id == judged.id)
    if connection.execute(still).scalar() is None:
        raise UnknownJudgements(f"the judgements {judged.name!r} were removed in the meantime")
    values: dict[str, Any] = {
        "set_id": judged.id,
        "task_id": run.task_id,
        "system": run.system,
        "imported": run.imported,
        "settings": dict(run.settings),
        "generation_id": run.generation,
        "change_number": run.change_number,
        "last_change_number": run.last_change_number,
        "judgements_digest": run.judgements_digest,
        "questions": len(run.questions),
        "judged_documents": run.judged_documents,
        "missing_documents": run.missing_documents,
        "changed_documents": run.changed_documents,
        "measures": dict(run.measures),
        "ms_per_query_p50": run.ms_per_query_p50,
        "created_at": now,
    }
    made = sa.insert(EvaluationRunRow).values(**values).returning(EvaluationRunRow.id)
    number = int(connection.execute(made).scalar_one())
    rows = [
        {
            "run_id": number,
            "ordinal": ordinal,
            "key": question.id,
            "text": question.text,
            "measures": dict(question.measures),
            "ranking": list(question.ranking),
        }
        for ordinal, question in enumerate(run.questions)
    ]
    connection.execute(sa.insert(EvaluatedQuestionRow), rows)
    return number


def newest(
    connection: Connection, collection: Collection, judged: JudgementSet | None, limit: int
) -> list[EvaluationInfo]:
    """Return the newest runs of a collection first, or those on one set of judgements."""
    query = _COLUMNS.where(JudgementSetRow.collection_id == collection.id)
    if judged is not None:
        query = query.where(EvaluationRunRow.set_id == judged.id)
    rows = connection.execute(query.order_by(EvaluationRunRow.id.desc()).limit(limit))
    return [EvaluationInfo(**row._mapping) for row in rows]


def get(connection: Connection, collection: Collection, number: int) -> EvaluationInfo:
    """Return a run of a collection; raise ``UnknownEvaluation``."""
    mine = (EvaluationRunRow.id == number, JudgementSetRow.collection_id == collection.id)
    row = connection.execute(_COLUMNS.where(*mine)).one_or_none() if 0 < number <= NUMBER_MAX else None
    if row is None:
        raise UnknownEvaluation(
            f"{collection.name!r} has no evaluation {number}; the list of evaluations shows those there are",
            evaluation=number,
        )
    return EvaluationInfo(**row._mapping)


def questions(connection: Connection, number: int) -> list[EvaluatedQuestion]:
    """Return the questions of a run in their order."""
    query = (
        sa.select(
            EvaluatedQuestionRow.key,
            EvaluatedQuestionRow.text,
            EvaluatedQuestionRow.measures,
            EvaluatedQuestionRow.ranking,
        )
        .where(EvaluatedQuestionRow.run_id == number)
        .order_by(EvaluatedQuestionRow.ordinal)
    )
    return [EvaluatedQuestion(*row) for row in connection.execute(query)]


def rankings_of(connection: Connection, judged: JudgementSet, question: str) -> list[tuple[str, list[str]]]:
    """Return system and ranking of one question of every run on a set, the newest first."""
    query = (
        sa.select(EvaluationRunRow.system, EvaluatedQuestionRow.ranking)
        .join(EvaluatedQuestionRow, EvaluatedQuestionRow.run_id == EvaluationRunRow.id)
        .where(EvaluationRunRow.set_id == judged.id, EvaluatedQuestionRow.key == question)
        .order_by(EvaluationRunRow.id.desc())
    )
    return [(row.system, row.ranking) for row in connection.execute(query)]


def systems_of_task(connection: Connection, task: int) -> set[str]:
    """Return the systems that a task has measured already."""
    query = sa.select(EvaluationRunRow.system).where(EvaluationRunRow.task_id == task)
    return set(connection.execute(query).scalars())


def remove(connection: Connection, number: int) -> None:
    """Delete a run with its questions."""
    connection.execute(sa.delete(EvaluationRunRow).where(EvaluationRunRow.id == number))
