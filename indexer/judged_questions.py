"""Judged questions, as far as the documents that answer them are stored in a collection."""

from collections.abc import Mapping

import sqlalchemy as sa

from indexer.service import Service
from indexer.store.collections import Collection
from indexer.store.tables import DocumentRow
from search.evaluation.formats import Query
from search.evaluation.judged import Judged


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
