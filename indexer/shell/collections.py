"""``xunyi collections`` and ``xunyi delete``: what there is, and away with it."""

from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from indexer.records import CollectionInfo
from indexer.shell import options

NOTHING_FOUND = 1


@click.command()
@click.option("--create", metavar="NAME", help="Make a collection.")
@click.option("--encoder", metavar="NAME", help="With --create: the model that reads it, fixed from then on.")
@click.option("--delete", "deleted", metavar="NAME", help="Delete a collection with all it holds.")
@click.option("--yes", is_flag=True, help="With --delete: do not ask.")
@options.json_option
@options.home_option
def collections(
    create: str | None, encoder: str | None, deleted: str | None, yes: bool, as_json: bool, home: str | None
) -> int:
    """List the collections, or make or delete one.

    Passages that are not indexed yet are searched all the same, one by one, which takes longer when they are
    many; `xunyi serve`, the next ingest or `xunyi worker --once` indexes them.
    """
    if create is not None and deleted is not None:
        raise click.UsageError("--create and --delete are two commands; run one after the other")
    if encoder is not None and create is None:
        raise click.UsageError("--encoder goes with --create NAME")
    if yes and deleted is None:
        raise click.UsageError("--yes goes with --delete NAME")
    with options.service(home, new=create is not None) as service:
        if create is not None:
            service.create_collection(create, encoder)
        if deleted is not None:
            info = service.collection(deleted)
            if not yes:
                documents = options.counted(info.documents, "document")
                if not click.confirm(f"Delete {deleted} with its {documents}?", err=True):
                    options.tell("nothing was deleted")
                    return 1
            service.delete_collection(deleted)
        found = service.collections()
    if as_json:
        options.print_json({"collections": found})
    else:
        _print(found)
    return 0


def _print(found: Sequence[CollectionInfo]) -> None:
    if not found:
        options.Output().print("There is no collection yet; `xunyi ingest PATH` makes one.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("collection", "documents", "passages", "encoder", "not indexed yet"):
        table.add_column(name, justify="left" if name in ("collection", "encoder") else "right")
    for info in found:
        encoder = escape(info.encoder)
        counts = (info.documents, info.passages, encoder, info.unfolded)
        table.add_row(info.name, *map(str, counts))
    options.Output().print(table)


@click.command(short_help="Delete documents by their keys; files stay as they are.")
@click.argument("keys", nargs=-1, required=True, metavar="KEY...")
@options.collection_option
@options.json_option
@options.home_option
def delete(keys: tuple[str, ...], collection: str, as_json: bool, home: str | None) -> int:
    """Delete the documents stored under KEY...; they are never found again.

    Keys under which nothing is stored are named, and the exit status is 1; the others are deleted.
    """
    with options.service(home) as service:
        result = service.delete_documents(collection, keys)
    if as_json:
        options.print_json(result)
    else:
        console = options.Output(highlight=False)
        console.print(f"{len(result.deleted)} deleted")
        for key in result.unknown:
            options.errors_console.print(f"nothing is stored under {key!r}", markup=False)
    return NOTHING_FOUND if result.unknown else 0
