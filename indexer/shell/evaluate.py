"""``xunyi evaluate``: how good the answers are, by questions whose answers are known."""

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from indexer.evaluating import COLLECTION, Evaluation, check_field
from indexer.evaluating import evaluate as run_evaluation
from indexer.reliability import reliability
from indexer.shell import options
from indexer.shell.evaluate_collection import evaluate_collection
from indexer.shell.measured import compared, table_of
from indexer.shell.reliability import print_reliability
from indexer.systems import checked_systems
from search.errors import InvalidInput
from search.evaluation.judged import read_judged, read_judgements
from search.evaluation.measures import COMPARED
from search.model import MODES


@click.command()
@click.argument("what", metavar="DIR|COLLECTION")
@click.option("--judgements", metavar="NAME", help="Of the collection; needless where it has only these.")
@click.option(
    "--systems",
    default=",".join(MODES),
    show_default=True,
    help="Also: attention:simple, attention:trainable, attention:causal, attention:multihead, dense:raw, "
    "transformer, the encoders that are fit on a collection (`xunyi encoders`), attention by the states of "
    "these (lstm:attention), mix: attention with all of them beside it, cross-validated, and "
    "lexical:expanded, attention:expanded: with further words, too.",
)
@click.option("--encoder", metavar="NAME", help="Model of the scratch collection.")
@click.option("--by", "group_by", metavar="FIELD", help="Also measure by a field of queries.jsonl.")
@click.option("--calibration", is_flag=True, help="Also hold relevance against questions about other things.")
@click.option(
    "--foreign",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Take these from queries.jsonl and qrels.tsv of DIR instead of the shipped ones.",
)
@options.json_option
@click.option(
    "--home",
    type=click.Path(),
    metavar="DIR",
    help="Keep the ingested collection here (default: a scratch folder).",
)
def evaluate(
    what: str,
    judgements: str | None,
    systems: str,
    encoder: str | None,
    group_by: str | None,
    calibration: bool,
    foreign: Path | None,
    as_json: bool,
    home: str | None,
) -> None:
    """Measure systems on judged questions.

    DIR holds corpus.jsonl, queries.jsonl and qrels.tsv.  Where there is no such folder, it is the name of a
    COLLECTION, measured on judgements that it keeps (`xunyi judgements`); its runs are kept, too.
    """
    if foreign is not None and not calibration:
        raise InvalidInput("--foreign says what --calibration asks; give both")
    chosen = checked_systems([name.strip() for name in systems.split(",")])
    if Path(what).is_dir():
        if judgements is not None:
            raise InvalidInput(
                f"{what!r} is a folder here, which brings its own judgements; leave --judgements out, or run "
                "this elsewhere to measure the collection of that name"
            )
        _evaluate_folder(Path(what), chosen, encoder, group_by, calibration, foreign, as_json, home)
        return
    if "/" in what:
        raise InvalidInput(f"the folder {what!r} does not exist")
    if encoder is not None or group_by is not None or calibration:
        raise InvalidInput(
            f"there is no folder {what!r}, so it names a collection; --encoder, --by and --calibration go "
            "with a folder"
        )
    with options.service(home) as service:
        evaluate_collection(service, what, judgements, chosen, as_json)


def _evaluate_folder(
    folder: Path,
    chosen: list[str],
    encoder: str | None,
    group_by: str | None,
    calibration: bool,
    foreign: Path | None,
    as_json: bool,
    home: str | None,
) -> None:
    judged = read_judged(folder)
    check_field(judged, group_by)
    others = None if foreign is None else read_judgements(foreign)
    usual = options.settings_of(home)
    scratch = nullcontext(None) if home else tempfile.TemporaryDirectory(prefix="xunyi-evaluate-")
    with scratch as made:
        settings = (
            usual
            if made is None
            else replace(
                usual, home=Path(made), database_url=f"sqlite:///{made}/xunyi.db", models=usual.models_folder
            )
        )
        with options.service(home, settings, new=True) as service:
            found, groups = run_evaluation(service, judged, chosen, encoder, group_by, options.tell)
            told = reliability(service, COLLECTION, judged, others) if calibration else None
    if as_json:
        parts = {"groups": groups if group_by else None, "calibration": told}
        options.print_json(_as_dict(found) | {name: part for name, part in parts.items() if part is not None})
        return
    _print(found, groups)
    if told is not None:
        print_reliability(told, options.Output(highlight=False))


def _as_dict(found: Evaluation) -> dict[str, Any]:
    """Return what was found; p-values only where there is something to compare."""
    told = {name: getattr(found, name) for name in Evaluation.__dataclass_fields__}
    if len(found.systems) == 1:
        del told["p_values"]
    if not found.trained:
        del told["trained"]
    if not found.mixed:
        del told["mixed"]
    if not found.expanded:
        del told["expanded"]
    return told


def _print(found: Evaluation, groups: dict[str, Any]) -> None:
    console = options.Output(highlight=False)
    documents = options.counted(found.documents, "document")
    questions = options.counted(found.queries, "question")
    console.print(f"{escape(found.collection)}: {documents}, {questions}")
    console.print(table_of({"all": found.systems, **groups}, "group"))
    for system, test in found.trained.items():
        console.print(_tested(system, test), style="dim")
    for line in compared(found.systems, found.p_values):
        console.print(line, style="dim")


def _tested(system: str, test: Mapping[str, Any]) -> str:
    """Return what the held-out test of a learned attention said when it was trained."""
    verdict = "adopted" if test["adopted"] else "not adopted"
    asked = "judged questions" if test["source"] == "judgements" else "questions of its own texts"
    return (
        f"{system}: {verdict} by its test on {test['held_out']} held-out {asked}, {COMPARED} "
        f"{test['before']} {test['ndcg_before']:.4f}, learned {test['ndcg_after']:.4f}, "
        f"p = {test['p_value']:.4f}"
    )
