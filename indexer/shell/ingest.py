"""``xunyi ingest``: files and folders in, with a bar to watch and a summary of what was refused."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from indexer.ingest import IngestOptions, ingest_paths, ingest_stream
from indexer.ingest import Progress as Come
from indexer.readers.base import RecordFields
from indexer.readers.walk import bytes_under
from indexer.records import IngestSummary
from indexer.shell import options
from search.errors import UnreadablePath

STANDARD_INPUT = "-"
REFUSED = 2
SHOWN_PROBLEMS = 20

Note = Callable[[Come], None]


@click.command(short_help="Ingest files, folders or standard input into a collection.")
@click.argument("paths", type=click.Path(readable=False), nargs=-1, required=True, metavar="PATH...")
@options.collection_option
@click.option(
    "--sync", is_flag=True, help="Also delete what an earlier ingest read from PATH... and is gone."
)
@click.option("--yes", is_flag=True, help="Let --sync delete more than half.")
@click.option("--recursive/--no-recursive", default=True, show_default=True, help="Go into sub-folders.")
@click.option("--encoder", metavar="NAME", help="Model of a new collection, fixed from then on.")
@click.option("--key", metavar="KEY", help="Key of what comes from standard input.")
@click.option("--name", metavar="NAME", help="Tells the type of standard input, such as x.md.")
@click.option("--key-field", multiple=True, metavar="FIELD", help="Field of a record that is its key.")
@click.option("--title-field", multiple=True, metavar="FIELD", help="Field of a record that is its title.")
@click.option("--text-field", multiple=True, metavar="FIELD", help="Field of a record that is its text.")
@options.json_option
@options.home_option
def ingest(
    paths: tuple[str, ...],
    collection: str,
    sync: bool,
    yes: bool,
    recursive: bool,
    encoder: str | None,
    key: str | None,
    name: str | None,
    key_field: tuple[str, ...],
    title_field: tuple[str, ...],
    text_field: tuple[str, ...],
    as_json: bool,
    home: str | None,
) -> int:
    """Ingest files and folders (or '-', standard input) into a collection."""
    usual = RecordFields()
    records = RecordFields(key_field or usual.key, title_field or usual.title, text_field or usual.text)
    chosen = IngestOptions(records, encoder, recursive, sync, yes)
    from_input = STANDARD_INPUT in paths
    if from_input and (len(paths) > 1 or sync or not key):
        raise click.UsageError("standard input ('-') stands alone, needs --key KEY and takes no --sync")
    if not from_input and (key or name):
        raise click.UsageError("--key and --name are for standard input ('-'); a file's key is its path")
    places = [] if from_input else [Path(path) for path in paths]
    with options.service(home, new=True) as service, bar(options.errors_console, places) as note:
        if from_input:
            summary = ingest_stream(
                service, collection, _standard_input(), name or "standard input", str(key), chosen, note
            )
        else:
            summary = ingest_paths(service, collection, places, chosen, note)
    if as_json:
        options.print_json(summary)
    else:
        print_summary(summary, options.Output(highlight=False))
    return REFUSED if summary.refused else 0


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise UnreadablePath("standard input is closed; there is nothing to read")
    return sys.stdin.buffer


@contextmanager
def bar(console: Console, paths: Sequence[Path]) -> Iterator[Note]:
    """Show a bar with rate and remaining time on a terminal, and nothing elsewhere; yield what moves it."""
    if not console.is_terminal:
        yield lambda _: None
        return
    total = sum(bytes_under(path) for path in paths) or None
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[share]}{task.fields[documents]}  {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    progress = Progress(*columns, console=console)
    task = progress.add_task(
        "ingesting", total=total, documents=_documents(0), rate="", share=_share(0, total)
    )
    read = 0

    def note(come: Come) -> None:
        nonlocal read
        read = come.bytes_read
        elapsed = progress.tasks[0].elapsed or 0.0
        rate = f"{come.documents / elapsed:.0f}/s" if elapsed > 0 else ""
        share = _share(read, total)
        progress.update(task, completed=read, documents=_documents(come.documents), rate=rate, share=share)

    progress.start()
    try:
        yield note
    except BaseException:
        progress.live.stop()
        raise
    whole = total or read  # what was refused was not read to its end; how long a stream is, its end tells
    progress.update(task, total=whole or 1, completed=whole, share=_share(whole, whole))
    progress.stop()


def _documents(number: int) -> str:
    return options.counted(number, "document")


def _share(read: int, total: int | None) -> str:
    """Return how much of all there is was read, and nothing where nobody knows how much there is."""
    return f"{min(100 * read // total, 100):>3} %  " if total else ""


def print_summary(summary: IngestSummary, console: Console) -> None:
    """Print what an ingest did, and what was refused and why."""
    for problem in summary.problems[:SHOWN_PROBLEMS]:
        # A sentence that begins with the place needs it no second time.
        where = "" if problem.detail.startswith(problem.where) else f"{problem.where}: "
        told = f"refused: {where}{problem.detail} ({problem.code})"
        options.errors_console.print(told, markup=False, soft_wrap=True)  # one line each, for other programs
    more = summary.refused - min(len(summary.problems), SHOWN_PROBLEMS)
    if more > 0:
        options.errors_console.print(f"... and {more} more; --json names them")
    for told in summary.notes:
        options.errors_console.print(told, markup=False, soft_wrap=True)
    counts = {
        "created": summary.created,
        "updated": summary.updated,
        "unchanged": summary.unchanged,
        "deleted": summary.deleted,
        "refused": summary.refused,
    }
    told_counts = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing to do"
    passages = options.counted(summary.passages, "passage")
    console.print(f"{summary.collection}: {told_counts} ({passages}, {summary.seconds:.1f} s)")
