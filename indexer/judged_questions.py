"""Judged questions: those that a collection keeps, and of any those whose answers are stored in it."""

from collections.abc import Mapping

import sqlalchemy as sa

from indexer.evaluations import asked_of
from indexer.service import Service
from indexer.store import collections, judgements
from indexer.store.collections import Collection
from indexer.store.tables import DocumentRow
from search.evaluation.formats import Query
from search.evaluation.judged import Judged


def kept(service: Service, collection: str, name: str) -> Judged:
    """Return the judged questions of a set that a collection keeps.

    Raises:
        UnknownCollection, UnknownJudgements: there is none.
        InvalidInput: no question of the set is judged.
    """
    with service.database.read() as connection:
        found = collections.get(connection, collection)
        asked = asked_of(connection, judgements.get(connection, found, name))
    queries = tuple(Query(question.id, question.text, {}) for question in asked)
    return Judged(name, queries, {question.id: question.judgements for question in asked})


def answered(service: Service, found: Collection, judged: Judged) -> list[tuple[Query, Mapping[int, int]]]:
    """Return the questions that have answers here, in order: each with document -> grade above 0."""
    with service.database.read() as connection:
        query = sa.select(DocumentRow.key, DocumentRow.id).where(DocumentRow.collection_id == found.id)
        documents = {row.key: row.id for row in connection.execute(query)}
    told: list[tuple[Query, Mapping[int, int]]] = []
    for question in judged.queries:
        grades = judged.judgements[question.id]
        answers = {documents[key]: grade for key, grade in grades.items() if grade > 0 and key in documents}
        if answers:
            told.append((question, answers))
    return told
