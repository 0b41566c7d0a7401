"""The options that commands share, and the opening of the service behind them."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console

from indexer.answers import answer
from indexer.filter_hints import unknown_fields
from indexer.judged_questions import kept
from indexer.readers.decoding import lone_surrogates
from indexer.readers.jsonl import parse
from indexer.readers.records import kind
from indexer.records import DEFAULT_COLLECTION
from indexer.service import Service
from indexer.settings import Settings
from indexer.store.filters import EXAMPLE
from search.child import Step
from search.errors import InvalidFilter, InvalidInput, InvalidRecord, UnknownJudgements
from search.evaluation.judged import Judged, read_judgements

F = TypeVar("F", bound=Callable[..., Any])

UNWRAPPED = 100_000
"""Columns of what is no terminal: more than any line has."""


class Output(Console):
    """A console whose reader may be a program: it gets lines as long as they are, and may go away.

    Then ``BrokenPipeError`` is raised, as by every other writer here.
    """

    def __init__(self, **chosen: Any) -> None:
        super().__init__(**chosen)
        if not self.is_terminal:
            self.width = UNWRAPPED

    def on_broken_pipe(self) -> None:
        """Leave it to the entry point, instead of ending the process here."""
        raise


errors_console = Output(stderr=True, highlight=False)

home_option = click.option(
    "--home", type=click.Path(), metavar="DIR", help="Data folder (default: $XUNYI_HOME, else ~/.xunyi)."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, the same as the API's.")
collection_option = click.option(
    "-c",
    "--collection",
    default=DEFAULT_COLLECTION,
    show_default=True,
    help="Collection to work on.",
)
limit_option = click.option("-n", "--limit", type=int, default=10, show_default=True, help="How many hits.")
judgements_option = click.option(
    "--judgements",
    metavar="DIR|NAME",
    help="Judged questions: a folder with queries.jsonl and qrels.tsv (keys of documents), or else the name "
    "of judgements that the collection keeps.",
)
diversity_option = click.option(
    "--diversity",
    type=float,
    default=0.0,
    metavar="0..1",
    help="Prefer hits that differ from those above them: 0 (the default) not at all, 1 before all else.",
)
filter_option = click.option(
    "--filter",
    "filter_text",
    metavar="JSON",
    help="""Only documents that meet it: '{"year": {"$gte": 1990}}'.""",
)


def settings_of(home: str | None) -> Settings:
    """Return the settings for ``--home``, given to the command or to ``xunyi`` itself."""
    context = click.get_current_context().find_root()
    return Settings.from_environment(home=home or (context.obj or {}).get("home"))


@contextmanager
def service(home: str | None, settings: Settings | None = None, *, new: bool = False) -> Iterator[Service]:
    """Open the service of a data folder; preparing a model shows its steps on standard error.

    Args:
        home: what ``--home`` says, if anything.
        settings: instead of those that hold for ``home``.
        new: whether the command makes a data folder that is not there; one that stores nothing must not,
            for an empty answer from a mistyped place looks like a true one.
    """
    opened = Service.open(settings or settings_of(home), progress=told_step, new=new)
    try:
        yield opened
    finally:
        opened.close()


def told_step(step: Step) -> None:
    """Show a step of a model's preparation; on standard error, so that output stays clean."""
    tell(f"preparing the model, step {step.number} of {step.total}: {step.name}")


def tell(line: str) -> None:
    """Show a line about what is going on, on standard error."""
    errors_console.print(line, style="dim", markup=False)


def filter_of(text: str | None) -> Mapping[str, Any] | None:
    """Return the filter that was given as JSON; raise ``InvalidFilter`` where it is none."""
    if text is None:
        return None
    usual = f"give an object of fields and conditions, such as '{EXAMPLE}'"
    try:
        given = parse(text.encode())
    except InvalidRecord as error:
        raise InvalidFilter(f"--filter cannot be read: {error}; {usual}") from None
    if not isinstance(given, dict):
        raise InvalidFilter(f"--filter is {'null' if given is None else kind(given)}; {usual}")
    if lone_surrogates(json.dumps(given, ensure_ascii=False)):
        raise InvalidFilter("--filter holds half a surrogate pair, which is no character")
    return given


def judged_of(service: Service, collection: str, judgements: str | None) -> Judged | None:
    """Return the judged questions that ``--judgements`` names.

    A folder that exists is that folder; any other name is that of judgements of the collection.

    Raises:
        UnknownCollection, UnknownJudgements: there is none of this name.
        InvalidInput: it is a folder that is not there, or none of judged questions.
    """
    if judgements is None:
        return None
    if Path(judgements).is_dir():
        return read_judgements(Path(judgements))
    if "/" in judgements:
        raise InvalidInput(f"the folder {judgements!r} does not exist")
    try:
        return kept(service, collection, judgements)
    except UnknownJudgements as error:
        raise UnknownJudgements(f"{judgements!r} is no folder here, and {error}", **error.details) from None


def counted(number: int, thing: str) -> str:
    """Return a number of things in words: ``1 hit``, ``2 hits``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def tell_unknown_fields(service: Service, collection: str, given: Mapping[str, Any] | None) -> None:
    """Show which fields of a filter no document has, on standard error."""
    for told in unknown_fields(service, collection, given):
        errors_console.print(f"note: {told}", markup=False)


def print_json(value: Any) -> None:
    """Print a record as the API would send it."""
    click.echo(json.dumps(answer(value), ensure_ascii=False))
