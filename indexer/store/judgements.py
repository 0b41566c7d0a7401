"""Judgements: sets of questions, and how well documents answer them.

A judgement names its document by key, not by row: it outlives a document that is replaced or deleted, and
holds again for what comes under that key.  Whoever writes locks the collection's counter first.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from indexer.evaluation_records import JudgedQuestion, JudgementsInfo
from indexer.store.collections import Collection, lock
from indexer.store.storable import is_text
from indexer.store.tables import (
    DocumentRow,
    JudgedQuestionRow,
    JudgementRow,
    JudgementSetRow,
)
from search.errors import InvalidInput, UnknownJudgements
from search.registry import slip


@dataclass(frozen=True, slots=True)
class JudgementSet:
    """A set as its row has it."""

    id: int
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Judgement:
    """A grade that is to be stored."""

    question: str
    document: str
    grade: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How the judged documents of a set lie in their collection."""

    judged: int
    missing: int
    changed: int


_SETS = sa.select(JudgementSetRow.id, JudgementSetRow.name, JudgementSetRow.created_at)


def get(connection: Connection, collection: Collection, name: str) -> JudgementSet:
    """Return a set by name; raise ``UnknownJudgements``."""
    query = _SETS.where(JudgementSetRow.collection_id == collection.id, JudgementSetRow.name == name)
    row = connection.execute(query).one_or_none() if is_text(name) else None
    if row is None:
        known = [info.name for info in infos(connection, collection)]
        there = f"it has: {', '.join(known)}" if known else "it has none yet"
        raise UnknownJudgements(
            f"{collection.name!r} has no judgements {name[:100]!r}{slip(name, known)}; {there}", known=known
        )
    return JudgementSet(*row)


def ensure(connection: Connection, collection: Collection, name: str, now: datetime) -> JudgementSet:
    """Return a set, making it if need be; locks the collection, which may be gone (``UnknownCollection``)."""
    lock(connection, collection)
    query = _SETS.where(JudgementSetRow.collection_id == collection.id, JudgementSetRow.name == name)
    if connection.execute(query).one_or_none() is None:
        values = {"collection_id": collection.id, "name": name, "created_at": now}
        connection.execute(sa.insert(JudgementSetRow).values(**values))
    return JudgementSet(*connection.execute(query).one())


def remove(connection: Connection, judged: JudgementSet) -> None:
    """Delete a set with its questions, judgements and runs."""
    connection.execute(sa.delete(JudgementSetRow).where(JudgementSetRow.id == judged.id))


def infos(connection: Connection, collection: Collection) -> list[JudgementsInfo]:
    """Return all sets of a collection, by name."""
    query = (
        sa.select(
            JudgementSetRow.name,
            sa.func.count(sa.distinct(JudgedQuestionRow.id)),
            sa.func.count(sa.distinct(JudgementRow.question_id)),
            sa.func.count(JudgementRow.document_key),
            JudgementSetRow.created_at,
        )
        .outerjoin(JudgedQuestionRow, JudgedQuestionRow.set_id == JudgementSetRow.id)
        .outerjoin(JudgementRow, JudgementRow.question_id == JudgedQuestionRow.id)
        .where(JudgementSetRow.collection_id == collection.id)
        .group_by(JudgementSetRow.id, JudgementSetRow.name, JudgementSetRow.created_at)
        .order_by(JudgementSetRow.name)
    )
    return [JudgementsInfo(*row) for row in connection.execute(query)]


def questions(connection: Connection, judged: JudgementSet) -> list[JudgedQuestion]:
    """Return the questions of a set in the order in which they came, with their judgements by key."""
    mine = JudgedQuestionRow.set_id == judged.id
    query = sa.select(JudgedQuestionRow.id, JudgedQuestionRow.key, JudgedQuestionRow.text)
    rows = connection.execute(query.where(mine).order_by(JudgedQuestionRow.id)).all()
    graded = (
        sa.select(JudgementRow.question_id, JudgementRow.document_key, JudgementRow.grade)
        .join(JudgedQuestionRow, JudgedQuestionRow.id == JudgementRow.question_id)
        .where(mine)
        .order_by(JudgementRow.question_id, JudgementRow.document_key)
    )
    grades: dict[int, dict[str, int]] = {row.id: {} for row in rows}
    for question, document, grade in connection.execute(graded):
        grades[question][document] = grade
    return [JudgedQuestion(row.key, row.text, grades[row.id]) for row in rows]


def add_questions(
    connection: Connection, judged: JudgementSet, asked: Sequence[tuple[str, str]], now: datetime
) -> None:
    """Add questions (id, text); those that are there with the same text stay as they are.

    Raises:
        InvalidInput: one is there with another text.
    """
    known = _texts(connection, judged)
    for id, text in asked:
        if known.get(id, text) != text:
            raise InvalidInput(
                f"the question {id[:100]!r} is there with another text; give it another id, or choose "
                "another name for these judgements",
                question=id[:100],
            )
    rows = [
        {"set_id": judged.id, "key": id, "text": text, "created_at": now}
        for id, text in dict(asked).items()
        if id not in known
    ]
    if rows:
        connection.execute(sa.insert(JudgedQuestionRow), rows)


def _texts(connection: Connection, judged: JudgementSet) -> dict[str, str]:
    query = sa.select(JudgedQuestionRow.key, JudgedQuestionRow.text)
    return {
        row.key: row.text for row in connection.execute(query.where(JudgedQuestionRow.set_id == judged.id))
    }


def judge(
    connection: Connection,
    judged: JudgementSet,
    given: Iterable[Judgement],
    made_by: str,
    now: datetime,
) -> None:
    """Store grades; a new one takes the place of the old one, an equal one leaves it as it is.

    Raises:
        UnknownJudgements: the set has no such question.
    """
    ids = _ids(connection, judged)
    known = _grades(connection, judged)
    added = []
    for one in given:
        id = _id_of(ids, judged, one.question)
        place = {"question_id": id, "document_key": one.document}
        values = {"grade": one.grade, "made_by": made_by, "made_at": now}
        old = known.get((id, one.document))
        if old is None:
            added.append(place | values)
        elif old != one.grade:
            row = sa.update(JudgementRow).where(
                JudgementRow.question_id == id, JudgementRow.document_key == one.document
            )
            connection.execute(row.values(**values))
    if added:
        connection.execute(sa.insert(JudgementRow), added)


def take_back(connection: Connection, judged: JudgementSet, question: str, document: str) -> None:
    """Forget a judgement, if there is one; raise ``UnknownJudgements`` where there is no such question."""
    id = _id_of(_ids(connection, judged), judged, question)
    mine = (JudgementRow.question_id == id, JudgementRow.document_key == document)
    connection.execute(sa.delete(JudgementRow).where(*mine))


def remove_question(connection: Connection, judged: JudgementSet, question: str) -> None:
    """Delete a question with its judgements; raise ``UnknownJudgements`` where there is none."""
    id = _id_of(_ids(connection, judged), judged, question)
    connection.execute(sa.delete(JudgedQuestionRow).where(JudgedQuestionRow.id == id))


def _ids(connection: Connection, judged: JudgementSet) -> Mapping[str, int]:
    query = sa.select(JudgedQuestionRow.key, JudgedQuestionRow.id)
    return {row.key: row.id for row in connection.execute(query.where(JudgedQuestionRow.set_id == judged.id))}


def _id_of(ids: Mapping[str, int], judged: JudgementSet, question: str) -> int:
    if question not in ids:
        raise UnknownJudgements(
            f"{judged.name!r} has no question {question[:100]!r}{slip(question, ids)}; add it first",
            question=question[:100],
        )
    return ids[question]


def _grades(connection: Connection, judged: JudgementSet) -> dict[tuple[int, str], int]:
    query = (
        sa.select(JudgementRow.question_id, JudgementRow.document_key, JudgementRow.grade)
        .join(JudgedQuestionRow, JudgedQuestionRow.id == JudgementRow.question_id)
        .where(JudgedQuestionRow.set_id == judged.id)
    )
    return {(row.question_id, row.document_key): row.grade for row in connection.execute(query)}


def coverage(connection: Connection, collection: Collection, judged: JudgementSet) -> Coverage:
    """Return how many different documents are judged, are not in the collection, have changed since."""
    earliest = (
        sa.select(JudgementRow.document_key.label("key"), sa.func.min(JudgementRow.made_at).label("made_at"))
        .join(JudgedQuestionRow, JudgedQuestionRow.id == JudgementRow.question_id)
        .where(JudgedQuestionRow.set_id == judged.id)
        .group_by(JudgementRow.document_key)
        .subquery()
    )
    here = sa.and_(DocumentRow.collection_id == collection.id, DocumentRow.key == earliest.c.key)
    changed = sa.case((DocumentRow.updated_at > earliest.c.made_at, 1), else_=0)
    query = sa.select(
        sa.func.count(), sa.func.count(DocumentRow.id), sa.func.coalesce(sa.func.sum(changed), 0)
    ).select_from(earliest.outerjoin(DocumentRow, here))
    total, found, changed_since = connection.execute(query).one()
    return Coverage(total, total - found, changed_since)
