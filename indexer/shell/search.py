"""``xunyi search`` and ``xunyi similar``: ask, and see the passages that answer."""

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import click
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.text import Text

from indexer.extracts import extract, relative
from indexer.line_ends import JOINT, paper_joined
from indexer.shell import options
from search.errors import InvalidInput
from search.model import MODES, SIMILAR_MODES, Hit, SearchRequest, SearchResult, SimilarRequest

NOTHING_FOUND = 1
NOTHING_RELEVANT = "Nothing relevant: what follows is nearest, but no nearer than is usual without an answer."
_EMPTY = {
    None: "Nothing was found.",
    True: "Nothing relevant was found.",
    False: "Nothing as relevant was found.",
}
NUMBER = re.compile(r"-\.?\d")
FAINT = 0.5
"""Weight of a highlight up to which it is not bold."""
BAR_WIDTH = 12
LINKS_SHOWN = 3
"""Words of a passage that are named for each word of the question."""


class Question(click.Command):
    """A command whose words may be numbers below zero: no option begins with a digit."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take ``-5`` for a word, unless it is the value of an option."""
        return super().parse_args(ctx, self._options_first(args) if any(map(NUMBER.match, args)) else args)

    def _options_first(self, args: list[str]) -> list[str]:
        """Return the options, ``--`` and the words, each in the order in which they were given."""
        options: list[str] = []
        words: list[str] = []
        valued = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and not parameter.is_flag
            for name in parameter.opts
        }
        waiting = iter(args)
        for given in waiting:
            if given == "--":
                words.extend(waiting)
            elif given in valued:
                options.extend((given, *islice(waiting, 1)))
            elif given.startswith("-") and given != "-" and not NUMBER.match(given):
                options.append(given)
            else:
                words.append(given)
        if options and options[-1] in valued and args[-1] == options[-1]:
            return options  # its value is missing, which is to be told
        return [*options, "--", *words]


@click.command(cls=Question)
@click.argument("words", nargs=-1, required=True, metavar="QUERY")
@options.collection_option
@options.limit_option
@click.option(
    "--mode", help=f"One of {', '.join(MODES)} (default: attention; hybrid by an encoder without states)."
)
@click.option("--encoder", metavar="NAME", help="Compare meaning by this one of `xunyi encoders`.")
@options.filter_option
@click.option("--min-relevance", type=float, metavar="0..1", help="Leave out what is less relevant.")
@options.diversity_option
@click.option("--explain", is_flag=True, help="Show what each part of a score was made of.")
@options.json_option
@options.home_option
def search(
    words: tuple[str, ...],
    collection: str,
    limit: int,
    mode: str | None,
    encoder: str | None,
    filter_text: str | None,
    min_relevance: float | None,
    diversity: float,
    explain: bool,
    as_json: bool,
    home: str | None,
) -> int:
    """Find the passages that answer QUERY, whatever their language."""
    request = SearchRequest(
        query=" ".join(words),
        limit=limit,
        mode=mode,  # type: ignore[arg-type]  # the service checks it, for every edge alike
        encoder=encoder,
        filter=options.filter_of(filter_text),
        explain=explain,
        min_relevance=min_relevance,
        diversity=diversity,
    )
    with options.service(home) as service:
        result = service.search(collection, request)
        options.tell_unknown_fields(service, collection, request.filter)
    return shown(result, as_json)


@click.command(short_help="Find the documents most like others, or like passages.")
@click.argument("keys", nargs=-1, metavar="KEY...")
@click.option(
    "--passage", "passages", multiple=True, type=int, metavar="ID", help="Like this passage (repeatable)."
)
@click.option("--unlike", multiple=True, metavar="KEY", help="Keep away from this document (repeatable).")
@options.collection_option
@options.limit_option
@click.option(
    "--mode", help=f"One of {', '.join(SIMILAR_MODES)} (default: attention; dense by encoders fit here)."
)
@click.option("--encoder", metavar="NAME", help="Compare by this one of `xunyi encoders`, such as features.")
@options.filter_option
@options.diversity_option
@click.option("--explain", is_flag=True, help="Show what each part of a score was made of.")
@options.json_option
@options.home_option
def similar(
    keys: tuple[str, ...],
    passages: tuple[int, ...],
    unlike: tuple[str, ...],
    collection: str,
    limit: int,
    mode: str | None,
    encoder: str | None,
    filter_text: str | None,
    diversity: float,
    explain: bool,
    as_json: bool,
    home: str | None,
) -> int:
    """Find the documents most like those stored under KEY..., or like passages by their ids."""
    if not keys and not passages:
        raise InvalidInput("name an example: the KEY of a document, or --passage and the id of a passage")
    request = SimilarRequest(
        like=[*keys, *passages],
        unlike=unlike,
        limit=limit,
        mode=mode,  # type: ignore[arg-type]  # the service checks it, for every edge alike
        filter=options.filter_of(filter_text),
        explain=explain,
        diversity=diversity,
        encoder=encoder,
    )
    with options.service(home) as service:
        result = service.similar(collection, request)
        options.tell_unknown_fields(service, collection, request.filter)
    return shown(result, as_json)


def shown(result: SearchResult, as_json: bool) -> int:
    """Print an answer; return the exit status."""
    if as_json:
        options.print_json(result)
    else:
        print_result(result, options.Output(highlight=False))
    return 0 if result.hits else NOTHING_FOUND


def print_result(result: SearchResult, console: Console) -> None:
    """Print hits as a person reads them."""
    if not result.hits:
        console.print(_EMPTY[result.nothing_relevant])
    elif result.nothing_relevant:
        console.print(NOTHING_RELEVANT, style="yellow", soft_wrap=True)
    for rank, hit in enumerate(result.hits, start=1):
        console.print(_heading(rank, hit))
        for text in (*_passage(hit), *(Text(line, style="dim") for line in _explained(hit))):
            console.print(Padding(text, (0, 0, 0, 4), expand=False))
        console.print()
    for problem in result.degraded:
        options.errors_console.print(f"[yellow]degraded:[/yellow] {escape(problem)}")
    if result.expansion:
        words = ", ".join(f"{word.word} {word.weight:.2f}" for word in result.expansion)
        console.print(Text(f"further words: {words}", style="dim"), soft_wrap=True)
    exactness = "exact" if result.exact else "approximate"
    hits = options.counted(len(result.hits), "hit")
    console.print(f"[dim]{hits}, {result.mode}, {exactness}, {result.took_ms:.0f} ms[/dim]")


def _heading(rank: int, hit: Hit) -> Text:
    parts = " + ".join(f"{name} {value:z.3f}" for name, value in hit.parts.items())
    heading = Text(f"{rank:>2}. ", style="bold")
    heading.append(hit.title or hit.key, style="bold cyan")
    heading.append(f"  {hit.score:z.3f}", style="green")
    if hit.relevance is not None:
        heading.append(f"  relevance {hit.relevance:.2f}", style="dim")
    key = hit.key if hit.title not in ("", hit.key) else ""
    page = f"page {hit.passage.page}" if hit.passage.page else ""
    place = [key, hit.passage.heading, page, f"passage {hit.passage.id}"]
    heading.append("\n    " + "  ·  ".join(part for part in place if part), style="dim")
    heading.append(f"\n    = {parts}", style="dim")  # a line of its own: beside a title it is too long
    return heading


def _explained(hit: Hit) -> Iterator[str]:
    """Yield a line for each part of the score: what it is, and the numbers it was made of."""
    explanation = hit.explanation or {}
    for name, value in hit.parts.items() if explanation else ():
        if name == "attention":
            yield f"{name:<10}{value:+.4f}  (word of the question: what it finds, and where)"
            yield from _links(explanation[name])
            continue
        facts = ", ".join(f"{fact} {_number(made_of)}" for fact, made_of in explanation[name].items())
        yield f"{name:<10}{value:+.4f}  ({facts.replace('_', ' ')})"


def _links(told: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each word of the question: how much it finds, as a bar, and in which words most."""
    width = max((cell_len(word["text"]) for word in told["query"]), default=0)
    most = max((word["score"] for word in told["query"]), default=0.0)
    for word, carried in zip(told["query"], told["carried"], strict=True):
        best = sorted(zip(carried, told["passage"], strict=True), key=lambda pair: -pair[0])[:LINKS_SHOWN]
        found = ", ".join(f"{other['text']} {value:.3f}" for value, other in best if value > 0)
        bar = "█" * round(BAR_WIDTH * max(0.0, word["score"]) / most) if most > 0 else ""
        padding = " " * (width - cell_len(word["text"]))
        yield f"  {word['text']}{padding}  {bar:<{BAR_WIDTH}} {word['score']:.3f}  {found}"


def _number(fact: Any) -> str:
    if isinstance(fact, float):
        return f"{fact:.4g}"
    return " ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


def _passage(hit: Hit) -> list[Text]:
    """Return the part of the passage that holds most of its highlights, in the lines that mean something."""
    passage = hit.passage
    text, spans = Text(paper_joined(passage.text)), relative(hit.highlights, passage.start, len(passage.text))
    for span in spans:
        text.stylize("bold yellow" if span.weight > FAINT else "yellow", span.start, span.end)
    part = extract(text.plain, spans)
    before, after = "…" if part.start else "", "…" if part.end < len(text) else ""
    whole = Text("").join(Text.assemble(before, text[part.start : part.end], after).split(JOINT))
    return [line for line in whole.split("\n") if line.plain.strip()]
