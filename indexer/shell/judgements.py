"""``xunyi judgements``: judged questions that a collection keeps; in, out, and gone."""

from pathlib import Path

import click
from rich.markup import escape
from rich.table import Table

from indexer.evaluation_records import EvaluationInfo, JudgedQuestion, JudgementsInfo
from indexer.judging import FILES, of_beir, of_trec
from indexer.service import Service
from indexer.shell import options
from search.errors import InvalidInput
from search.evaluation.formats import BEIR_JUDGEMENTS, QUERIES
from search.evaluation.judged import text_of
from search.evaluation.measures import COMPARED

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(short_help="List judged questions, bring them in or out as files.")
@click.argument("name", required=False)
@click.option("--from", "folder", type=FOLDER, metavar="DIR", help="Import its queries.jsonl and qrels.tsv.")
@click.option("--topics", type=FILE, metavar="FILE", help="Import TREC topics (id, tab, text); with --qrels.")
@click.option("--qrels", type=FILE, metavar="FILE", help="Their judgements: question, 0, key, grade.")
@click.option("--run", "run_file", type=FILE, metavar="FILE", help="Measure the rankings of a TREC run.")
@click.option("--export", metavar="FILE", help=f"Print one of: {', '.join(FILES)}.")
@click.option("--export-run", type=int, metavar="NUMBER", help="Print an evaluation as a TREC run.")
@click.option("--remove", is_flag=True, help="Delete NAME with its evaluations.")
@options.collection_option
@options.json_option
@options.home_option
def judgements(
    name: str | None,
    folder: Path | None,
    topics: Path | None,
    qrels: Path | None,
    run_file: Path | None,
    export: str | None,
    export_run: int | None,
    remove: bool,
    collection: str,
    as_json: bool,
    home: str | None,
) -> None:
    """List the judgements of a collection, or show NAME and its evaluations, or do one thing with NAME.

    An import adds to what NAME has; grades that are given take the place of the old ones.
    """
    chosen = [folder, topics, run_file, export, export_run, remove or None]
    if (topics is None) != (qrels is None):
        raise InvalidInput("--topics and --qrels go together")
    if sum(each is not None for each in chosen) > 1:
        raise InvalidInput("give one of --from, --topics, --run, --export, --export-run, --remove")
    with options.service(home) as service:
        if export_run is not None:
            click.echo(service.evaluations.export_run(collection, export_run), nl=False)
        elif name is not None:
            _do(service, collection, name, asked_of(folder, topics, qrels), run_file, export, remove, as_json)
        elif any(each is not None for each in chosen):
            raise InvalidInput("say which judgements: xunyi judgements NAME ...")
        else:
            _list(service, collection, as_json)


def asked_of(folder: Path | None, topics: Path | None, qrels: Path | None) -> list[JudgedQuestion] | None:
    """Return the questions of files, if there are any; raise ``InvalidInput`` with the wrong line."""
    if folder is not None:
        return of_beir(text_of(folder / QUERIES), text_of(folder / BEIR_JUDGEMENTS))
    if topics is not None and qrels is not None:
        return of_trec(text_of(topics), text_of(qrels))
    return None


def _do(
    service: Service,
    collection: str,
    name: str,
    asked: list[JudgedQuestion] | None,
    run_file: Path | None,
    export: str | None,
    remove: bool,
    as_json: bool,
) -> None:
    """Do one thing with a set of judgements; show it where none is named."""
    if asked is not None:
        _told(service.judgements.put(collection, name, asked), as_json)
    elif run_file is not None:
        _told_run(service.evaluations.import_run(collection, name, text_of(run_file)), as_json)
    elif export is not None:
        click.echo(service.judgements.export(collection, name, export), nl=False)
    elif remove:
        service.judgements.remove(collection, name)
    else:
        _show(service, collection, name, as_json)


def _list(service: Service, collection: str, as_json: bool) -> None:
    found = service.judgements.all(collection)
    if as_json:
        options.print_json({"judgements": found})
        return
    table = Table(box=None, pad_edge=False)
    for column in ("judgements", "questions", "judged", "grades"):
        table.add_column(column, justify="left" if column == "judgements" else "right")
    for info in found:
        counts = (info.questions, info.judged_questions, info.judgements)
        table.add_row(escape(info.name), *map(str, counts))
    options.Output(highlight=False).print(table)


def _show(service: Service, collection: str, name: str, as_json: bool) -> None:
    if as_json:
        options.print_json(service.judgements.get(collection, name))
        return
    _told(service.judgements.info(collection, name), as_json)
    table = Table(box=None, pad_edge=False)
    for column in ("evaluation", "system", COMPARED, "questions", "missing", "made"):
        table.add_column(column)
    for run in service.evaluations.newest(collection, name):
        figures = (f"{run.measures[COMPARED]:.4f}", str(run.questions), str(run.missing_documents))
        table.add_row(str(run.id), escape(run.system), *figures, f"{run.created_at:%Y-%m-%d %H:%M}")
    options.Output(highlight=False).print(table)


def _told(info: JudgementsInfo, as_json: bool) -> None:
    if as_json:
        options.print_json(info)
        return
    questions = options.counted(info.questions, "question")
    console = options.Output(highlight=False)
    console.print(
        f"{info.name}: {questions}, {info.judged_questions} judged, "
        f"{options.counted(info.judgements, 'grade')}",
        markup=False,
    )


def _told_run(run: EvaluationInfo, as_json: bool) -> None:
    if as_json:
        options.print_json(run)
        return
    figures = ", ".join(f"{name} {value:.4f}" for name, value in run.measures.items())
    options.Output(highlight=False).print(f"evaluation {run.id}, {run.system}: {figures}", markup=False)
