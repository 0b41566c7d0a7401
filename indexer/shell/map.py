"""``xunyi map``: what a collection is about, as clusters of its passages."""

import click

from indexer.map_records import BY_CLUSTER, METHODS, CollectionMap, MapRequest
from indexer.shell import options


@click.command("map", short_help="Show the clusters of a collection and what they are about.")
@options.collection_option
@click.option("--encoder", metavar="NAME", help="Map the vectors of this one of `xunyi encoders`.")
@click.option(
    "--method", default=METHODS[0], metavar="METHOD", help=f"{' or '.join(METHODS)} (default: {METHODS[0]})."
)
@click.option("--clusters", type=int, metavar="N", help="How many; by default as many as suit its size.")
@click.option(
    "--colour",
    default=BY_CLUSTER,
    metavar="FIELD",
    help="Group the points by a field of the documents instead of by cluster.",
)
@click.option(
    "--points", type=int, default=0, metavar="N", help="With --json, how many points; by default none."
)
@options.json_option
@options.home_option
def map_command(
    collection: str,
    encoder: str | None,
    method: str,
    clusters: int | None,
    colour: str,
    points: int,
    as_json: bool,
    home: str | None,
) -> int:
    """Show the clusters of a collection: their words, sizes and typical passages; draw its map."""
    asked = MapRequest(encoder, method, clusters, colour, points)  # type: ignore[arg-type]  # checked there
    with options.service(home) as service:
        drawn = service.maps.draw(collection, asked)
    if as_json:
        options.print_json(drawn)
    else:
        _print(drawn)
    return 0 if drawn.passages else 1


def _print(drawn: CollectionMap) -> None:
    console = options.Output(highlight=False)
    for number, cluster in enumerate(drawn.clusters, start=1):
        if not cluster.passages:
            continue
        size = options.counted(cluster.passages, "passage")
        console.print(f"{number}. {', '.join(cluster.words)} ({size})", markup=False, style="bold")
        for typical in cluster.typical:
            console.print(f"   {typical.title or typical.key}  {typical.key}", markup=False)
    if drawn.colour != BY_CLUSTER:
        console.print(f"by {drawn.colour}:", markup=False, style="bold")
        for group in drawn.groups:
            label = group.label or {"other": "others", "missing": "without it"}.get(group.kind, '""')
            console.print(f"   {label}: {group.passages}", markup=False)
    console.print(_told(drawn), style="dim", markup=False)


def _told(drawn: CollectionMap) -> str:
    """Return what there is to say of a map besides its clusters, in a line."""
    told = f"{options.counted(drawn.passages, 'passage')} by {drawn.encoder}, {drawn.method}"
    if drawn.explained is not None:
        told += f"; x and y show {sum(drawn.explained):.0%} of what tells them apart"
    if drawn.missing:
        told += f"; {drawn.missing} came later and are not on the map"
    return told
