"""The files in which judged questions and rankings travel, as text: BEIR's and TREC's.

    queries.jsonl   {"_id", "text"}, a line each                       (BEIR)
    qrels.tsv       query-id, corpus-id, score; with this header, tabs  (BEIR)
    topics.tsv      question, its text; a tab between them              (TREC)
    qrels.txt       question, 0, document, grade; white space           (TREC)
    run.txt         question, Q0, document, rank, score, tag            (TREC)

Every reader takes the whole text of a file and its name, and refuses what is malformed with file and line.
Source of TREC's files: Buckley and Voorhees, trec_eval, README.
"""

import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.errors import InvalidInput

QUERIES, BEIR_JUDGEMENTS = "queries.jsonl", "qrels.tsv"
TOPICS, TREC_JUDGEMENTS = "topics.tsv", "qrels.txt"
RUN = "run.txt"
HEADER = ("query-id", "corpus-id", "score")
GRADE_MAX = 1000
"""Grades lie between this and its negative."""

Grades = dict[str, dict[str, int]]
"""Query id -> document id -> grade; above 0 is an answer."""


@dataclass(frozen=True, slots=True)
class Query:
    """A judged question; ``facts`` are the other fields of its line."""

    id: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunFile:
    """What a run file holds: its system's tag, and for each question the documents, best first."""

    tag: str
    rankings: Mapping[str, Sequence[str]]


def _refused(name: str, number: int, told: str) -> InvalidInput:
    return InvalidInput(f"{name}, line {number}: {told}", file=name, line=number)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield lines that are not blank, numbered from 1; texts may hold what only ``splitlines`` cuts at."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.removesuffix("\r")


def read_queries(text: str, name: str = QUERIES) -> list[Query]:
    """Return the questions of a BEIR file; raise ``InvalidInput`` with the line that is malformed."""
    wanted = 'give {"_id": ..., "text": ...}'

    def parsed(line: str) -> Query:
        facts = json.loads(line)
        return Query(str(facts.pop("_id")), str(facts.pop("text")), facts)

    return _questions(text, name, parsed, wanted)


def read_topics(text: str, name: str = TOPICS) -> list[Query]:
    """Return the questions of a TREC file; raise ``InvalidInput`` with the line that is malformed."""

    def parsed(line: str) -> Query:
        id, asked = line.split("\t")
        return Query(id.strip(), asked.strip(), {})

    return _questions(text, name, parsed, "give the question's id, a tab, and its text")


def _questions(text: str, name: str, parsed: Callable[[str], Query], wanted: str) -> list[Query]:
    queries: dict[str, Query] = {}
    for number, line in _lines(text):
        try:
            query = parsed(line)
        except (KeyError, AttributeError, TypeError, ValueError, RecursionError) as error:
            raise _refused(name, number, wanted) from error
        if not query.id or not query.text:
            raise _refused(name, number, f"{wanted}; neither may be empty")
        if query.id in queries:
            raise _refused(name, number, f"the question {query.id[:100]!r} is there twice")
        queries[query.id] = query
    return list(queries.values())


def read_beir_judgements(
    text: str, name: str = BEIR_JUDGEMENTS, known: Collection[str] | None = None
) -> Grades:
    """Return the judgements of a BEIR file.

    Args:
        text: of the file.
        name: of the file.
        known: questions that may be judged; None for any.

    Raises:
        InvalidInput: a line is malformed, judges an unknown question, or says otherwise than one before.
    """
    if text.split("\n", 1)[0].removesuffix("\r").split("\t") != list(HEADER):
        raise InvalidInput(f"{name} must begin with the header {', '.join(HEADER)} (tabs)")
    return _judgements(
        text,
        name,
        lambda line: _three(*line.split("\t")),
        "give query, document and a whole number",
        known,
        1,
    )


def _three(query: str, document: str, grade: str) -> tuple[str, str, int]:
    return query, document, int(grade)


def read_trec_judgements(
    text: str, name: str = TREC_JUDGEMENTS, known: Collection[str] | None = None
) -> Grades:
    """Return the judgements of a TREC file; see ``read_beir_judgements``."""
    return _judgements(
        text,
        name,
        lambda line: _four(*line.split()),
        "give question, 0, document and a whole number",
        known,
        0,
    )


def _four(query: str, _: str, document: str, grade: str) -> tuple[str, str, int]:
    return query, document, int(grade)


def _judgements(
    text: str,
    name: str,
    parsed: Callable[[str], tuple[str, str, int]],
    wanted: str,
    known: Collection[str] | None,
    header: int,
) -> Grades:
    grades: Grades = {}
    for number, line in _lines(text):
        if number <= header:
            continue
        try:
            query, document, grade = parsed(line)
        except (TypeError, ValueError) as error:
            raise _refused(name, number, wanted) from error
        if not query or not document:
            raise _refused(name, number, f"{wanted}; none may be empty")
        if abs(grade) > GRADE_MAX:
            raise _refused(name, number, f"a grade lies between -{GRADE_MAX} and {GRADE_MAX}")
        if known is not None and query not in known:
            raise _refused(name, number, f"there is no question {query[:100]!r}")
        if grades.setdefault(query, {}).setdefault(document, grade) != grade:
            raise _refused(name, number, f"{document[:100]!r} is graded otherwise above for {query[:100]!r}")
    return grades


def read_run(text: str, depth: int, name: str = RUN, known: Collection[str] | None = None) -> RunFile:
    """Return the rankings of a run file: by score, equal scores in the order of the file.

    Args:
        text: of the file.
        depth: how many documents of each question are kept.
        name: of the file.
        known: questions that may be answered; None for any.

    Raises:
        InvalidInput: a line is malformed, of another run, or names a document twice for one question.
    """
    scored: dict[str, dict[str, float]] = {}
    tag = None
    wanted = "give question, Q0, document, rank, score and tag"
    for number, line in _lines(text):
        try:
            query, document, score, its_tag = _ranked(*line.split())
        except (TypeError, ValueError) as error:
            raise _refused(name, number, wanted) from error
        if not math.isfinite(score):
            raise _refused(name, number, f"the score is no finite number; {wanted}")
        if tag not in (None, its_tag):
            raise _refused(name, number, f"the tag is {its_tag[:100]!r} after {tag!r}; give one run a file")
        if known is not None and query not in known:
            raise _refused(name, number, f"there is no question {query[:100]!r}")
        if document in scored.setdefault(query, {}):
            raise _refused(name, number, f"{document[:100]!r} is ranked twice for {query[:100]!r}")
        tag = its_tag
        scored[query][document] = score
    if tag is None:
        raise InvalidInput(f"{name} holds no ranking; {wanted}, a line each")
    return RunFile(tag, {query: _best(documents, depth) for query, documents in scored.items()})


def _ranked(query: str, _: str, document: str, __: str, score: str, tag: str) -> tuple[str, str, float, str]:
    return query, document, float(score), tag


def _best(documents: Mapping[str, float], depth: int) -> list[str]:
    return sorted(documents, key=lambda document: -documents[document])[:depth]  # a stable sort


def write_queries(queries: Sequence[tuple[str, str]]) -> str:
    """Return ``queries.jsonl`` of ids and texts."""
    return "".join(json.dumps({"_id": id, "text": text}, ensure_ascii=False) + "\n" for id, text in queries)


def write_topics(queries: Sequence[tuple[str, str]]) -> str:
    """Return ``topics.tsv`` of ids and texts; raise ``InvalidInput`` for what holds a tab or a line's end."""
    return "".join(f"{_cell(id, TOPICS)}\t{_cell(text, TOPICS)}\n" for id, text in queries)


def write_beir_judgements(grades: Mapping[str, Mapping[str, int]]) -> str:
    """Return ``qrels.tsv``; raise ``InvalidInput`` for an id or key that holds a tab or a line's end."""
    name = BEIR_JUDGEMENTS
    rows = (
        f"{_cell(query, name)}\t{_cell(document, name)}\t{grade}\n"
        for query, documents in grades.items()
        for document, grade in documents.items()
    )
    return "\t".join(HEADER) + "\n" + "".join(rows)


def write_trec_judgements(grades: Mapping[str, Mapping[str, int]]) -> str:
    """Return ``qrels.txt``; raise ``InvalidInput`` for an id or key that holds white space."""
    return "".join(
        f"{_word(query)} 0 {_word(document)} {grade}\n"
        for query, documents in grades.items()
        for document, grade in documents.items()
    )


def write_run(tag: str, rankings: Mapping[str, Sequence[str]]) -> str:
    """Return a run file; scores fall by one from place to place, since only their order is known.

    Raises:
        InvalidInput: an id, a key or the tag holds white space.
    """
    return "".join(
        f"{_word(query)} Q0 {_word(document)} {place} {len(documents) - place + 1} {_word(tag)}\n"
        for query, documents in rankings.items()
        for place, document in enumerate(documents, start=1)
    )


def _cell(text: str, name: str) -> str:
    if any(character in text for character in "\t\n\r"):
        raise InvalidInput(
            f"{text[:100]!r} holds a tab or a line's end, which {name} cannot; ask for JSON instead"
        )
    return text


def _word(text: str) -> str:
    if text.split() != [text]:
        raise InvalidInput(
            f"{text[:100]!r} holds white space, which TREC's files cannot; "
            f"ask for {BEIR_JUDGEMENTS} or JSON instead"
        )
    return text
