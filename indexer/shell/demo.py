"""``xunyi demo``: the main job on texts that come with the program, from files to answers to the page."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.rule import Rule

from indexer.calibrating import calibrate
from indexer.ingest import ingest_paths
from indexer.service import Service
from indexer.shell import options
from indexer.shell.ingest import bar, print_summary
from indexer.shell.numbers import PORT
from indexer.shell.search import print_result
from indexer.shell.serve import serve
from indexer.store import calibrations, collections
from search.evaluation.judged import CORPUS, read_judgements
from search.model import SearchRequest

COLLECTION = "demo"
TEXTS = Path(__file__).parents[1] / "demo"
SHOWN_HITS = 3
RULE_COLUMNS = 80
CHECK_FAILED = 1


@dataclass(frozen=True, slots=True)
class DemoQuestion:
    """A question of the demo and the document that answers it."""

    direction: str
    text: str
    answer: str


QUESTIONS: Sequence[DemoQuestion] = (
    DemoQuestion(
        "English asked, English found",
        "Is the fridge a bad place to keep a baguette soft?",
        "bread-staling.en",
    ),
    DemoQuestion("中文提问，找到中文", "滤纸冲咖啡，先淋湿一点再等半分钟，是什么道理？", "coffee-bloom.zh"),
    DemoQuestion("中文提问，找到英文", "报纸上印的照片，灰色为什么是由小黑点组成的？", "print-halftone.en"),
    DemoQuestion(
        "English asked, Chinese found",
        "How long does naturally brewed soy sauce have to age?",
        "ferm-soy-sauce.zh",
    ),
)


@click.command(short_help="Ingest the texts that come along, ask them four questions.")
@click.option("--once", is_flag=True, help="End after the answers instead of serving the page.")
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port of the page.")
@options.home_option
@click.pass_context
def demo(context: click.Context, once: bool, port: int, home: str | None) -> int:
    """Ingest the texts that come with xunyi, ask them four questions, serve the page."""
    console = options.Output(highlight=False)
    with options.service(home, new=True) as service:
        _ingest(service, TEXTS / CORPUS, console)
        _calibrate(service)
        right = [_asked(service, question, console) for question in QUESTIONS]
    if not all(right):
        options.errors_console.print("[red]a question was not answered by the right document[/red]")
        return CHECK_FAILED
    if not once:
        console.print(f"Now look at http://127.0.0.1:{port}/?collection={COLLECTION}")
        context.invoke(serve, host="127.0.0.1", port=port, workers=1, no_worker=False, home=home)
    return 0


def _ingest(service: Service, corpus: Path, console: Console) -> None:
    with bar(options.errors_console, [corpus]) as note:
        summary = ingest_paths(service, COLLECTION, [corpus], note=note)
    print_summary(summary, console)


def _calibrate(service: Service) -> None:
    """Let the demo's own questions say what counts as relevant, once; they avoid the words of their answers.

    By shipped questions alone, about much the same things, the first right answer would not be called one.
    """
    with service.database.read() as connection:
        known = calibrations.of_collection(connection, collections.get(connection, COLLECTION))
    if not any(each.judged for each in known.values()):
        calibrate(service, COLLECTION, read_judgements(TEXTS))


def _asked(service: Service, question: DemoQuestion, console: Console) -> bool:
    console.print(Rule(question.direction), width=console.width if console.is_terminal else RULE_COLUMNS)
    console.print(f"[bold]{question.text}[/bold]\n")
    result = service.search(COLLECTION, SearchRequest(query=question.text, limit=SHOWN_HITS))
    print_result(result, console)
    return bool(result.hits) and result.hits[0].key == question.answer
