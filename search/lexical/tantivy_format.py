"""What stands in a tantivy index of ours, and how tantivy's failures are told from our own.

A passage is one document: its id and its terms, joined by spaces for a tokenizer that splits at spaces.
tantivy does not store tokenizers, so whoever makes or opens an index registers it here.  One more
document, the marker, says up to which change of the collection the index goes; every commit replaces it,
and so an index can never claim more or less than it holds.

``tantivy_index.py`` reads and writes it.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import tantivy

from search.artifacts import DamagedArtifact

ID, TERMS, COVERS = "id", "terms", "covers"
MARKER_TERM = "\x00"
"""The marker's only term; an analyzer gives no control characters."""

_OS_ERROR = re.compile(r"\(os error ([0-9]+)\)")
_TOKENIZER = "spaces"
_HEAP_BYTES = 40_000_000


def new_index(folder: Path | None) -> tantivy.Index:
    """Return an empty index in ``folder``, or without one in memory."""
    index = tantivy.Index(_schema(), None if folder is None else str(folder), reuse=False)
    return _ready(index)


def opened_index(folder: Path) -> tantivy.Index:
    """Return the index in ``folder``, whose files have been checked."""
    with tantivy_reads():
        return _ready(tantivy.Index.open(str(folder)))


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    # Signed on purpose: deleting by a term of an unsigned field finds nothing in this binding.
    builder.add_integer_field(ID, indexed=True, fast=True)
    builder.add_integer_field(COVERS, fast=True)
    builder.add_text_field(TERMS, tokenizer_name=_TOKENIZER, index_option="freq")
    return builder.build()


def _ready(index: tantivy.Index) -> tantivy.Index:
    index.register_tokenizer(_TOKENIZER, tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.whitespace()).build())
    # By default a thread would look for commits all the time; our readers never change.
    index.config_reader(reload_policy="manual")
    return index


def term_query(index: tantivy.Index, term: str) -> tantivy.Query:
    """Return the query for documents that hold ``term``, scored by BM25."""
    return tantivy.Query.term_query(index.schema, TERMS, term, "freq")


def commit(
    index: tantivy.Index,
    added: Iterable[tuple[int, Sequence[str]]],
    removed: Iterable[int],
    covers: int,
) -> None:
    """Delete and add passages and replace the marker, in one commit; wait until merges are done.

    ``added`` is read once, and memory stays bounded however many there are: what exceeds the heap goes
    to disk, where nobody sees it before the commit.  If ``added`` raises, nothing has happened.

    Raises:
        OSError: the disk is full, or cannot be written; nothing has happened.
    """
    with _tantivy_writes():
        _commit(index, added, removed, covers)


def _commit(
    index: tantivy.Index, added: Iterable[tuple[int, Sequence[str]]], removed: Iterable[int], covers: int
) -> None:
    writer = index.writer(_HEAP_BYTES, 1)
    try:
        for passage_id in removed:
            writer.delete_documents_by_term(ID, passage_id)
        writer.delete_documents_by_term(TERMS, MARKER_TERM)
        for passage_id, terms in added:
            writer.add_document(_passage(passage_id, terms))
        writer.add_document(_marker(covers))
    except BaseException:
        writer.rollback()
        raise
    writer.commit()
    writer.wait_merging_threads()


@contextmanager
def _tantivy_writes() -> Iterator[None]:
    """Turn a failure to write, which tantivy raises as ``ValueError``, into the ``OSError`` that it is."""
    try:
        yield
    except ValueError as error:
        found = _OS_ERROR.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from error


def _passage(passage_id: int, terms: Sequence[str]) -> tantivy.Document:
    document = tantivy.Document()
    document.add_integer(ID, passage_id)
    document.add_text(TERMS, " ".join(terms))
    return document


def _marker(covers: int) -> tantivy.Document:
    document = tantivy.Document()
    document.add_integer(COVERS, covers)
    document.add_text(TERMS, MARKER_TERM)
    return document


@contextmanager
def tantivy_reads() -> Iterator[None]:
    """Turn whatever tantivy raises while it reads an index into ``DamagedArtifact``.

    Its errors arrive as plain ``ValueError`` or ``OSError`` and a panic of its Rust code as a
    ``BaseException`` that no module exports, so this must surround nothing but calls of tantivy.
    """
    try:
        yield
    except (OSError, ValueError) as error:
        raise DamagedArtifact(f"tantivy cannot read the index ({type(error).__name__})") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise DamagedArtifact("tantivy broke down reading the index") from error
