"""What people judge: the best documents of several systems for one question, in an order that tells nothing.

Whoever judges sees neither which system found a document nor at what place, so that neither sways the grade.

Source: Spärck Jones and van Rijsbergen, Report on the need for and provision of an ideal information
retrieval test collection, 1975 (pooling).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from indexer.evaluation_records import JudgedQuestion
from indexer.service import Service
from indexer.store import collections, evaluations, judgements, listing
from search.errors import UnknownDocument, UnknownJudgements
from search.model import Mode, SearchRequest

MODES: tuple[Mode, ...] = ("lexical", "dense", "attention")
"""Searches that are made for every pool; runs that are stored add theirs."""
POOL_DEPTH = 10
"""How many of the best of each are taken."""
TEXT_CHARACTERS = 800


@dataclass(frozen=True, slots=True)
class Pooled:
    """A document that is to be judged."""

    key: str
    title: str
    text: str
    """The passage that a search found, else how the document begins; empty of one that is not stored."""
    grade: int | None
    stored: bool


def pool(service: Service, collection: str, name: str, question: str) -> tuple[JudgedQuestion, list[Pooled]]:
    """Return a question and what is to be judged for it, those that are judged among them.

    Raises:
        UnknownCollection, UnknownJudgements: there is none.
    """
    with service.database.read() as connection:
        found = collections.get(connection, collection)
        judged = judgements.get(connection, found, name)
        asked = {each.id: each for each in judgements.questions(connection, judged)}
        if question not in asked:
            raise UnknownJudgements(f"{name!r} has no question {question[:100]!r}", question=question[:100])
        ranked = evaluations.rankings_of(connection, judged, question)
    one = asked[question]
    shown: dict[str, tuple[str, str]] = {}
    for mode in MODES:
        request = SearchRequest(query=one.text, mode=mode, limit=POOL_DEPTH, highlight=False)
        for hit in service.search(collection, request).hits:
            shown.setdefault(hit.key, (hit.title, hit.passage.text))
    newest = dict(reversed(ranked))
    keys = {key for ranking in newest.values() for key in ranking[:POOL_DEPTH]}
    pooled = [
        _pooled(service, collection, key, shown, one)
        for key in _shuffled(question, {*shown, *keys, *one.judgements})
    ]
    return one, [each for each in pooled if each.stored or each.grade is not None]


def _shuffled(question: str, keys: Iterable[str]) -> list[str]:
    """Return keys in an order that is the same each time and has nothing to do with any system."""
    return sorted(keys, key=lambda key: hashlib.sha256(f"{question}\x00{key}".encode()).digest())


def _pooled(
    service: Service, collection: str, key: str, shown: dict[str, tuple[str, str]], asked: JudgedQuestion
) -> Pooled:
    grade = asked.judgements.get(key)
    if key in shown:
        return Pooled(key, *shown[key], grade, stored=True)
    with service.database.read() as connection:
        try:
            detail = listing.detail(connection, collections.get(connection, collection), key)
        except UnknownDocument:
            return Pooled(key, "", "", grade, stored=False)
    return Pooled(key, detail.document.title, detail.text[:TEXT_CHARACTERS], grade, stored=True)
