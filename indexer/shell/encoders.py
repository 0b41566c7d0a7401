"""``xunyi encoders``: which encoders a collection has, and away with one."""

from collections.abc import Sequence

import click
from rich.table import Table

from indexer.fitted import kinds
from indexer.records import EncoderInfo
from indexer.shell import options


@click.command()
@options.collection_option
@click.option("--remove", metavar="NAME", help="Take a fitted encoder away, with all its vectors.")
@options.json_option
@options.home_option
def encoders(collection: str, remove: str | None, as_json: bool, home: str | None) -> int:
    """List the encoders of a collection: its own, and those that `xunyi train NAME` fit on it."""
    with options.service(home) as service:
        if remove is not None:
            service.remove_encoder(collection, remove)
        found = service.encoders(collection)
    if as_json:
        options.print_json({"encoders": found})
    else:
        _print(found)
    return 0


def _print(found: Sequence[EncoderInfo]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("encoder", "kind", "dimensions", "fit on passages", "of", "state"):
        table.add_column(name, justify="right" if name in ("dimensions", "fit on passages", "of") else "left")
    for info in found:
        fit_on = "" if info.fit_on is None else str(info.fit_on)
        state = "in use" if info.complete else "not all passages are read; train it again"
        table.add_row(info.name, info.kind, str(info.dimension), fit_on, str(info.passages), state)
    console = options.Output(highlight=False)
    console.print(table)
    others = [kind for kind in kinds() if kind not in {info.name for info in found}]
    if others:
        console.print(f"xunyi train can fit: {', '.join(others)}", markup=False)
