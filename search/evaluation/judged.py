"""A judged collection on disk: documents, questions, and which documents answer which question.

    corpus.jsonl    {"_id", "title", "text"}, a line each
    queries.jsonl   {"_id", "text"}, a line each
    qrels.tsv       query-id, corpus-id, score; with this header, separated by tabs

The documents are read by the ordinary ingest; this file reads the rest.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.errors import InvalidInput

CORPUS, QUERIES, JUDGEMENTS = "corpus.jsonl", "queries.jsonl", "qrels.tsv"


@dataclass(frozen=True, slots=True)
class Query:
    """A judged question; ``facts`` are the other fields of its line."""

    id: str
    text: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a collection asks and what it takes for an answer."""

    name: str
    corpus: Path
    queries: tuple[Query, ...]
    """Only those that have a judgement."""
    judgements: Mapping[str, Mapping[str, int]]
    """Query id -> document id -> grade; above 0 is an answer."""


def read_judged(folder: Path) -> Judged:
    """Read the questions and judgements of ``folder``, which holds the documents too.

    Raises:
        InvalidInput: a file is missing or malformed; the message names file and line.
    """
    return _read(folder, (CORPUS, QUERIES, JUDGEMENTS), "no judged collection")


def read_judgements(folder: Path) -> Judged:
    """Read the questions and judgements of ``folder`` about documents that are stored elsewhere.

    Raises:
        InvalidInput: a file is missing or malformed; the message names file and line.
    """
    return _read(folder, (QUERIES, JUDGEMENTS), "no folder of judgements")


def _read(folder: Path, needed: Sequence[str], otherwise: str) -> Judged:
    folder = folder.absolute()  # '.' has no name
    for name in needed:
        if not (folder / name).is_file():
            raise InvalidInput(f"{folder.name!r} is {otherwise}: it has no {name}")
    judgements = _judgements(folder / JUDGEMENTS)
    queries = tuple(query for query in _queries(folder / QUERIES) if query.id in judgements)
    if not queries:
        raise InvalidInput(f"no question of {QUERIES} is judged in {JUDGEMENTS}")
    return Judged(folder.name, folder / CORPUS, queries, judgements)


def _queries(path: Path) -> list[Query]:
    queries = []
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            facts = json.loads(line)
            queries.append(Query(str(facts.pop("_id")), str(facts.pop("text")), facts))
        except (json.JSONDecodeError, KeyError, AttributeError, TypeError) as error:
            raise InvalidInput(f'{QUERIES}, line {number}: give {{"_id": ..., "text": ...}}') from error
    return queries


def _lines(path: Path) -> list[str]:
    """Return the lines of a file; a question may hold what only ``splitlines`` takes for a line's end."""
    try:
        return path.read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path.name} is not UTF-8: see its byte {error.start + 1}") from error


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    lines = _lines(path)
    if lines[0].split("\t") != ["query-id", "corpus-id", "score"]:
        raise InvalidInput(f"{JUDGEMENTS} must begin with the header query-id, corpus-id, score (tabs)")
    judgements: dict[str, dict[str, int]] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            query, document, score = line.split("\t")
            judgements.setdefault(query, {})[document] = int(score)
        except ValueError as error:
            raise InvalidInput(
                f"{JUDGEMENTS}, line {number}: give query, document and a whole number"
            ) from error
    return judgements
