"""``xunyi calibrate``: what tells the relevance of answers from their scores, found out now."""

from pathlib import Path

import click

from indexer.calibrating import calibrate as run_calibration
from indexer.shell import options
from search.evaluation.judged import read_judgements


@click.command()
@options.collection_option
@click.option(
    "--judgements",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="queries.jsonl and qrels.tsv (keys of documents): their answers should count as relevant.",
)
@options.json_option
@options.home_option
def calibrate(collection: str, judgements: Path | None, as_json: bool, home: str | None) -> None:
    """Find out what passages score for questions that have no answer, to tell what is relevant."""
    judged = None if judgements is None else read_judgements(judgements)
    with options.service(home) as service:
        made = run_calibration(service, collection, judged)
    if as_json:
        options.print_json({"collection": collection, "calibrations": made})
        return
    console = options.Output(highlight=False)
    for spoken, one in made.items():
        console.print(
            f"questions in {spoken}: without an answer the best passage scores {one.centre:.3f} "
            f"± {one.spread:.3f}; relevant is what has a relevance of {one.level:.2f} or more"
        )
