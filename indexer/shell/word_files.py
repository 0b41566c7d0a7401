"""``xunyi words export`` and ``import``: word vectors as files that other programs read and write."""

import os
from collections.abc import Iterable
from pathlib import Path

import click

from indexer.fitting import import_vectors
from indexer.ingest import unreadable
from indexer.shell import options
from indexer.shell.train import STOPPED, bar, print_fit
from indexer.store.tasks import Canceled
from search.child import FULL
from search.encoders.fitted.word_vector_text import count_lines, vector_lines
from search.errors import InvalidInput, UnreadablePath

EXPORT, IMPORT = "export", "import"


def export_vectors(
    files: tuple[str, ...], collection: str, encoder: str | None, counts: str | None, home: str | None
) -> int:
    """Write the vectors of all words into a file, and how often each occurs into another."""
    (file,) = _one(files, EXPORT)
    if file == counts:
        raise InvalidInput("vectors and counts need two files; give --counts another name")
    with options.service(home) as service:
        words = service.words.vectors(collection, encoder)
        _write(Path(file), vector_lines(words))
        if counts is not None:
            _write(Path(counts), count_lines(words))
    told = options.counted(len(words.vocabulary.terms), "word")
    options.tell(f"{told} with {words.vectors.shape[1]} numbers each")
    return 0


def import_file(files: tuple[str, ...], collection: str, as_json: bool, home: str | None) -> int:
    """Make an encoder of a collection of the vectors in a file."""
    (file,) = _one(files, IMPORT)
    try:
        stream = Path(file).open("rb")
    except OSError as error:
        raise unreadable(file, error) from None
    with stream, options.service(home) as service, bar(options.errors_console) as note:
        try:
            summary = import_vectors(service, collection, stream, note)
        except Canceled:
            options.tell("the import was canceled; nothing has changed")
            return STOPPED
    if as_json:
        options.print_json(summary)
    else:
        print_fit(summary)
    return 0


def unwanted(*names: str) -> None:
    """Raise ``InvalidInput`` where one of the options was given, which would do nothing here."""
    context = click.get_current_context()
    for parameter in context.command.params:
        source = parameter.name and context.get_parameter_source(parameter.name)
        if parameter.name in names and source is not click.core.ParameterSource.DEFAULT:
            raise InvalidInput(f"{parameter.opts[-1]} does nothing here; leave it out")


def _one(files: tuple[str, ...], what: str) -> tuple[str, ...]:
    if len(files) != 1:
        raise InvalidInput(f"give one file: xunyi words {what} FILE")
    return files


def _write(path: Path, lines: Iterable[bytes]) -> None:
    """Write a file whole or not at all."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("xb") as stream:
            stream.writelines(lines)
        aside.replace(path)
    except OSError as error:
        if error.errno in FULL:
            raise
        raise UnreadablePath(f"{path} cannot be written: {error.strerror}") from None
    finally:
        aside.unlink(missing_ok=True)
