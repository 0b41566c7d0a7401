"""Judged collections as the ordinary way in reads and cuts them, without storing anything."""

from collections.abc import Iterator
from dataclasses import dataclass

from indexer.chunking import chunk, passage_input
from indexer.pipeline import text_of
from indexer.readers.base import Extracted
from indexer.readers.catalog import read_source
from indexer.service import OVERLAP_TOKENS, PASSAGE_TOKENS
from search.encoders.base import TextTokenizer
from search.evaluation.judged import JudgedCollection


@dataclass(frozen=True, slots=True)
class JudgedPassage:
    """What the encoder reads of one passage, and whose it is."""

    document: str
    text: str


def passages_of(judged: JudgedCollection, tokenizer: TextTokenizer) -> list[JudgedPassage]:
    """Return every passage of a collection, as an ingest would cut it."""
    return [
        JudgedPassage(
            str(document.key), passage_input(document.title, piece.heading, text_of(document, piece))
        )
        for document in _documents(judged)
        for piece in chunk(document, tokenizer.count, PASSAGE_TOKENS, OVERLAP_TOKENS)
    ]


def _documents(judged: JudgedCollection) -> Iterator[Extracted]:
    with judged.corpus.open("rb") as stream:
        for found in read_source(stream, judged.corpus.name):
            if isinstance(found, Extracted):
                yield found
