"""Judged questions: those that a collection keeps, and of any those whose answers are stored in it."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import sqlalchemy as sa

from indexer.evaluations import asked_of
from indexer.service import Service
from indexer.store import collections, judgements
from indexer.store.collections import Collection
from indexer.store.tables import DocumentRow
from search.errors import InvalidInput
from search.evaluation.formats import Query
from search.evaluation.judged import Judged

FOLDS = 5
QUESTIONS_MIN = 60
QUESTIONS_MAX = 1200
"""Questions that are put in all: some minutes, and 25 KB for each of some twenty passages of each."""


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


def drawn(
    service: Service, found: Collection, judged: Judged, seed: int, purpose: str
) -> list[tuple[Query, Mapping[int, int]]]:
    """Return ``answered`` questions to fit something on and to test it with, in an order drawn by ``seed``.

    Raises:
        InvalidInput: they are too few for the ``purpose``.
    """
    told = answered(service, found, judged)
    if len(told) < QUESTIONS_MIN:
        raise InvalidInput(
            f"{found.name!r} has {len(told)} judged questions whose answers are stored, too few to "
            f"{purpose}: at least {QUESTIONS_MIN} are needed",
            questions=len(told),
        )
    order = np.random.default_rng(seed).permutation(len(told))[:QUESTIONS_MAX].tolist()
    return [told[place] for place in order]


def folds(groups: Mapping[str, int], seed: int) -> dict[str, int]:
    """Return the fold of every question; each group goes together into the fold that has the fewest.

    Args:
        groups: question -> its group: a document that answers it.
        seed: of the order in which groups are placed.
    """
    counts = Counter(groups.values())
    sizes, fold_of_group = [0] * FOLDS, {}
    for group in np.random.default_rng(seed).permutation(sorted(counts)).tolist():
        fold_of_group[group] = sizes.index(min(sizes))
        sizes[fold_of_group[group]] += counts[group]
    return {question: fold_of_group[group] for question, group in groups.items()}
