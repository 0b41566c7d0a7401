"""``xunyi calibrate``: what tells the relevance of answers from their scores, found out now."""

import click

from indexer.calibrating import calibrate as run_calibration
from indexer.shell import options


@click.command(short_help="Learn which scores say that nothing is relevant.")
@options.collection_option
@options.judgements_option
@options.json_option
@options.home_option
def calibrate(collection: str, judgements: str | None, as_json: bool, home: str | None) -> None:
    """Find out what passages score for questions that have no answer, to tell what is relevant.

    The answers of `--judgements` should count as relevant.
    """
    with options.service(home) as service:
        made = run_calibration(service, collection, options.judged_of(service, collection, judgements))
    if as_json:
        options.print_json({"collection": collection, "calibrations": made})
        return
    console = options.Output(highlight=False)
    for spoken, one in made.items():
        console.print(
            f"questions in {spoken}: without an answer the best passage scores {one.centre:.3f} "
            f"± {one.spread:.3f}; relevant is what has a relevance of {one.level:.2f} or more"
        )
