"""A judged collection on disk: documents, questions, and which documents answer which question.

    corpus.jsonl    {"_id", "title", "text"}, a line each
    queries.jsonl   {"_id", "text"}, a line each
    qrels.tsv       query-id, corpus-id, score; with this header, separated by tabs

The documents are read by the ordinary ingest; this file reads the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from search.errors import InvalidInput
from search.evaluation.formats import (
    BEIR_JUDGEMENTS,
    QUERIES,
    Query,
    read_beir_judgements,
    read_queries,
)

CORPUS = "corpus.jsonl"


@dataclass(frozen=True, slots=True)
class Judged:
    """What a collection asks and what it takes for an answer."""

    name: str
    queries: tuple[Query, ...]
    """Only those that have a judgement."""
    judgements: Mapping[str, Mapping[str, int]]
    """Query id -> document id -> grade; above 0 is an answer."""


@dataclass(frozen=True, slots=True)
class JudgedCollection(Judged):
    """A collection with what it is asked."""

    corpus: Path


def read_judged(folder: Path) -> JudgedCollection:
    """Read the questions and judgements of ``folder``, which holds the documents too.

    Raises:
        InvalidInput: a file is missing or malformed; the message names file and line.
    """
    judged = _read(folder, (CORPUS, QUERIES, BEIR_JUDGEMENTS), "no judged collection")
    return JudgedCollection(judged.name, judged.queries, judged.judgements, folder.absolute() / CORPUS)


def read_judgements(folder: Path) -> Judged:
    """Read the questions and judgements of ``folder`` about documents that are stored elsewhere.

    Raises:
        InvalidInput: a file is missing or malformed; the message names file and line.
    """
    return _read(folder, (QUERIES, BEIR_JUDGEMENTS), "no folder of judgements")


def _read(folder: Path, needed: Sequence[str], otherwise: str) -> Judged:
    folder = folder.absolute()  # '.' has no name
    for name in needed:
        if not (folder / name).is_file():
            raise InvalidInput(f"{folder.name!r} is {otherwise}: it has no {name}")
    judgements = read_beir_judgements(text_of(folder / BEIR_JUDGEMENTS))
    queries = tuple(query for query in read_queries(text_of(folder / QUERIES)) if query.id in judgements)
    if not queries:
        raise InvalidInput(f"no question of {QUERIES} is judged in {BEIR_JUDGEMENTS}")
    return Judged(folder.name, queries, judgements)


def text_of(path: Path) -> str:
    """Return the text of a file; raise ``InvalidInput`` where it cannot be read or is not UTF-8."""
    try:
        return decoded(path.read_bytes(), path.name)
    except OSError as error:
        raise InvalidInput(f"{path.name} cannot be read: {error.strerror}") from error


def decoded(content: bytes, name: str) -> str:
    """Return the text of the content of a file called ``name``; raise ``InvalidInput`` if not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8: see its byte {error.start + 1}") from error
