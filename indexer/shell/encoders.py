"""``xunyi encoders``: which encoders a collection has; away with one; another takes the place of its own."""

from collections.abc import Sequence

import click
from rich.table import Table

from indexer.fitted import kinds
from indexer.keeping import keep_caches
from indexer.records import EncoderInfo
from indexer.shell import options
from indexer.shell.switched import print_switch
from indexer.shell.train import STOPPED, bar
from indexer.store.tasks import Canceled
from indexer.switching import switch as run_switch
from search.errors import InvalidInput

SWITCH, ROLLBACK = "switch", "rollback"


@click.command(short_help="List the encoders of a collection, switch, roll back.")
@click.argument("what", metavar="[switch NAME | rollback]", nargs=-1)
@options.collection_option
@click.option("--remove", metavar="NAME", help="Take an encoder away, with all its vectors.")
@options.judgements_option
@click.option("--force", is_flag=True, help="Switch however the test comes out.")
@options.json_option
@options.home_option
def encoders(
    what: tuple[str, ...],
    collection: str,
    remove: str | None,
    judgements: str | None,
    force: bool,
    as_json: bool,
    home: str | None,
) -> int:
    """List the encoders of a collection, or let another pretrained one take the place of its own.

    `xunyi encoders switch NAME` has all passages read by the model NAME while the present one serves, asks
    both the same questions (those of `--judgements`, or else questions in the texts), and adopts it unless it
    is worse by more than chance.  `xunyi encoders rollback` goes back to the former one at once.
    """
    asked = _asked(what)
    if asked is None or asked == ROLLBACK:
        if judgements is not None or force:
            raise InvalidInput("--judgements and --force go with: xunyi encoders switch NAME")
    elif remove is not None:
        raise InvalidInput("switch to an encoder and remove one in two commands")
    if asked not in (None, ROLLBACK):
        return _switch(collection, what[1], judgements, force, as_json, home)
    with options.service(home) as service:
        if remove is not None:
            service.remove_encoder(collection, remove)
        found = service.encoders(collection) if asked is None else service.roll_back_encoder(collection)
    if as_json:
        options.print_json({"encoders": found})
    else:
        _print(found)
    return 0


def _asked(what: Sequence[str]) -> str | None:
    """Return what is to be done; None for a list.

    Raises:
        InvalidInput: it is none of what can be.
    """
    match list(what):
        case []:
            return None
        case ["switch", _] | ["rollback"]:
            return what[0]
    given = " ".join(what)[:100]
    raise InvalidInput(
        f"{given!r} cannot be done with encoders; say nothing for a list, `switch NAME` or `rollback`"
    )


def _switch(
    collection: str, name: str, judgements: str | None, force: bool, as_json: bool, home: str | None
) -> int:
    with options.service(home) as service, bar(options.errors_console) as note:
        judged = options.judged_of(service, collection, judgements)
        try:
            summary = run_switch(service, collection, name, judged, note, force=force)
        except Canceled:
            options.tell("the switch was canceled; searches go on as before")
            return STOPPED
        for left in keep_caches(service, collection) if summary.adopted else ():
            options.tell(left)
    if as_json:
        options.print_json(summary)
    else:
        print_switch(summary)
    return 0 if summary.adopted else STOPPED


def _print(found: Sequence[EncoderInfo]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("encoder", "kind", "dimensions", "fit on passages", "of", "state"):
        table.add_column(name, justify="right" if name in ("dimensions", "fit on passages", "of") else "left")
    for info in found:
        fit_on = "" if info.fit_on is None else str(info.fit_on)
        table.add_row(info.name, info.kind, str(info.dimension), fit_on, str(info.passages), _state(info))
    console = options.Output(highlight=False)
    console.print(table)
    others = [kind for kind in kinds() if kind not in {info.name for info in found}]
    if others:
        console.print(f"xunyi train can fit: {', '.join(others)}", markup=False)


def _state(info: EncoderInfo) -> str:
    if not info.complete:
        again = "switch to it again" if info.kind == "transformer" else "train it again"
        return f"not all passages are read; {again}"
    if info.own:
        return "in use, its own"
    return "former; xunyi encoders rollback goes back to it" if info.former else "in use"
