"""``xunyi words``: what the words of a collection have to do with each other."""

import click
from rich.table import Table

from indexer.records import WordsAnswer
from indexer.shell import options
from indexer.shell.search import Question
from indexer.shell.word_files import EXPORT, IMPORT, export_vectors, import_file, unwanted


@click.command(cls=Question, short_help="Ask about words: neighbours, similarity, analogies.")
@click.argument("ask", metavar="QUESTION")
@click.argument("words", nargs=-1, metavar="WORD...")
@options.collection_option
@options.limit_option
@click.option("--encoder", metavar="NAME", help="Ask this one of `xunyi encoders`; it must know words.")
@click.option("--counts", metavar="FILE", help="Export how often each word occurs, too.")
@options.json_option
@options.home_option
def words(
    ask: str,
    words: tuple[str, ...],
    collection: str,
    limit: int,
    encoder: str | None,
    counts: str | None,
    as_json: bool,
    home: str | None,
) -> int:
    """Ask about WORD...: neighbours, similarity, analogy (a b c), odd, contexts.

    They are answered by what `xunyi train word2vec-skipgram` (or word2vec-cbow, or cooccurrence) has learned.

    `xunyi words export FILE` writes all vectors in word2vec's text format; `xunyi words import FILE` makes
    the encoder word-vectors of such a file, which may come from elsewhere.
    """
    if ask == EXPORT:
        unwanted("limit", "as_json")
        return export_vectors(words, collection, encoder, counts, home)
    unwanted("counts")
    if ask == IMPORT:
        unwanted("limit", "encoder")
        return import_file(words, collection, as_json, home)
    with options.service(home) as service:
        answer = service.words.ask(collection, ask, words, limit, encoder)
    if as_json:
        options.print_json(answer)
    else:
        _print(answer)
    return 0


def _print(answer: WordsAnswer) -> None:
    console = options.Output(highlight=False)
    if answer.similarity is not None:
        console.print(f"{answer.similarity:.3f}")
    elif answer.ask == "odd":
        console.print(answer.found[0].word, markup=False)
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right")
        for found in answer.found:
            table.add_row(found.word, f"{found.score:.3f}")
        console.print(table)
    console.print(f"by {answer.encoder}", style="dim")
