"""``xunyi train``: what a collection can learn from its own texts, or from judged questions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from indexer.expanding import back_to_none, train_expansion
from indexer.fitted import checked_kind as checked_encoder
from indexer.fitted import checked_options, kinds
from indexer.fitting import fit
from indexer.learning import checked_kind
from indexer.learning import train as run_training
from indexer.mixing import back_to_usual, train_mix
from indexer.records import ExpansionSummary, FitSummary, MixSummary, SwitchSummary, TrainingSummary
from indexer.service import Service
from indexer.shell import options
from indexer.shell.switched import print_switch
from indexer.store.collections import OWN
from indexer.store.tasks import Canceled
from indexer.switching import fine_tune
from indexer.training_tasks import Note
from search.child import Step
from search.encoders.fitted.catalog import OF_FIELDS
from search.encoders.fitted.features import KINDS as FIELD_KINDS
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.ranking.learned import KINDS
from search.registry import nearest

STOPPED = 1
ATTENTION = "attention"
MIX, EXPANSION, USUAL = "mix", "expansion", "usual"


@click.command(short_help="Fit an encoder, or train attention, a mix or an expansion.")
@click.argument("what", metavar="WHAT")
@click.option(
    "--kind",
    metavar="KIND",
    help=f"Of attention, one of: {', '.join(KINDS)}; of {MIX} and {EXPANSION}: {USUAL}.",
)
@options.collection_option
@options.judgements_option
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="NAME:KIND[:WEIGHT]",
    help=f"For features (repeatable): a field of documents as {', '.join(FIELD_KINDS)}; weight 1 if none.",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of all draws.")
@click.option(
    "--continue", "learn_on", is_flag=True, help="Word2vec starts from the fit in use, instead of anew."
)
@options.json_option
@options.home_option
def train(
    what: str,
    kind: str | None,
    collection: str,
    judgements: str | None,
    fields: tuple[str, ...],
    seed: int,
    learn_on: bool,
    as_json: bool,
    home: str | None,
) -> int:
    """Fit an encoder (WHAT is its name, such as lsi), or train a collection's attention, mix or expansion.

    `xunyi train attention --kind KIND` learns how words attend and uses that if a held-out test finds it
    better; `--kind simple` goes back.  `xunyi train NAME` fits the encoder NAME on the collection's own
    passages; `xunyi search --encoder NAME` then searches by it.  `xunyi train features --field
    price:number:2 --field tags:tags` makes a vector of each document's fields, which `xunyi similar
    --encoder features` compares.  `xunyi train mix --judgements DIR` fits what these encoders, meaning and
    words weigh beside attention; `--kind usual` goes back.  `xunyi train expansion --judgements DIR` tests
    whether questions are answered better with further words, those of the best passages, and asks with them
    in modes where that is so; `--kind usual` goes back.  `xunyi train transformer` fine-tunes the
    collection's own model, and switches to that if a test finds it better.  Attention and transformer learn
    from `--judgements`, or else from questions in the texts; mix and expansion need judgements.
    """
    declared = [field_of(given) for given in fields]
    _check(what, kind, judgements is not None, declared, learn_on)
    with options.service(home) as service, bar(options.errors_console) as note:
        judged = options.judged_of(service, collection, judgements)
        try:
            summary = _run(service, collection, what, kind, seed, judged, note, declared, learn_on)
        except Canceled:
            options.tell("the training was canceled; nothing has changed")
            return STOPPED
    if as_json:
        options.print_json(summary)
    elif isinstance(summary, SwitchSummary):
        print_switch(summary)
    elif isinstance(summary, FitSummary):
        print_fit(summary)
    elif isinstance(summary, MixSummary):
        print_mix(summary)
    elif isinstance(summary, ExpansionSummary):
        print_expansion(summary)
    else:
        print_summary(summary)
    return 0


def field_of(given: str) -> dict[str, Any]:
    """Return the declaration of a field that was written as ``NAME:KIND`` or ``NAME:KIND:WEIGHT``."""
    name, _, last = given.rpartition(":")
    if name and last in FIELD_KINDS:
        return {"name": name, "kind": last}
    name, _, kind = name.rpartition(":")
    try:
        weight = float(last)
    except ValueError:
        weight = None
    if not name or weight is None:
        raise InvalidInput(
            f"--field {given[:100]!r} is not NAME:KIND or NAME:KIND:WEIGHT, such as price:number:2; "
            f"a kind is one of: {', '.join(FIELD_KINDS)}"
        )
    return {"name": name, "kind": kind, "weight": weight}


def _check(
    what: str,
    kind: str | None,
    judged: bool,
    declared: Sequence[Mapping[str, Any]],
    learn_on: bool,
) -> None:
    """Raise ``InvalidInput`` for a wrong use; ``judged`` tells whether judged questions are named."""
    if what not in JUDGED:
        near = nearest(what, [*JUDGED, *kinds()])
        if what not in kinds() and near and near[0] in JUDGED:
            raise InvalidInput(f"there is no {what[:100]!r} to train; did you mean {near[0]!r}?")
        checked_options(checked_encoder(what), declared)
        if kind is not None or judged:
            others = ", ".join(f"xunyi train {each}" for each in JUDGED)
            raise InvalidInput(f"--kind and --judgements go with: {others}")
        return
    if learn_on:
        raise InvalidInput(f"{what} always learns anew; leave --continue out")
    if declared:
        raise InvalidInput("--field goes with: xunyi train features")
    JUDGED[what](kind, judged)


def _check_attention(kind: str | None, _: bool) -> None:
    if kind is None:
        raise InvalidInput(f"say which kind of attention: --kind, one of {', '.join(KINDS)}")
    checked_kind(kind)


def _check_usual(named: str, by: str, back: str, kind: str | None, judged: bool) -> None:
    """Raise ``InvalidInput`` unless there are either judgements or the one kind that goes back."""
    if kind not in (None, USUAL):
        raise InvalidInput(f"{named} has no kind {kind!r}; leave --kind out, or choose {USUAL}")
    if judged == (kind is not None):
        raise InvalidInput(f"say what {by}: --judgements, with a folder or a name; or --kind {USUAL}, {back}")


def _check_own(kind: str | None, _: bool) -> None:
    if kind is not None:
        raise InvalidInput(
            f"--kind goes with: xunyi train {ATTENTION}, xunyi train {MIX}, xunyi train {EXPANSION}"
        )


JUDGED: Mapping[str, Callable[[str | None, bool], None]] = {
    ATTENTION: _check_attention,
    MIX: partial(_check_usual, "a mix", "the mix is to be fitted on", "to go back to the usual mix"),
    EXPANSION: partial(
        _check_usual, "an expansion", "further words are to be tested on", "to ask without them again"
    ),
    OWN: _check_own,
}
"""What can learn from judged questions -> what checks its --kind, told whether there are any."""


def _run(
    service: Service,
    collection: str,
    what: str,
    kind: str | None,
    seed: int,
    judged: Judged | None,
    note: Note,
    declared: Sequence[Mapping[str, Any]],
    learn_on: bool,
) -> TrainingSummary | FitSummary | MixSummary | ExpansionSummary | SwitchSummary:
    if what == EXPANSION:
        if judged is None:
            return back_to_none(service, collection)
        return train_expansion(service, collection, judged, seed, note)
    if what == MIX:
        if judged is None:
            return back_to_usual(service, collection)
        return train_mix(service, collection, judged, seed, note)
    if what == OWN:
        return fine_tune(service, collection, judged, seed, note)
    if kind is None:
        return fit(service, collection, what, seed, note, learn_on=learn_on, fields=declared)
    return run_training(service, collection, kind, seed, judged, note)


@contextmanager
def bar(console: Console) -> Iterator[Callable[[Step], None]]:
    """Show the steps with a bar on a terminal, and a line for each elsewhere; yield what moves it."""
    if not console.is_terminal:
        begun: list[str] = []

        def tell(step: Step) -> None:
            if step.name not in begun:
                begun.append(step.name)
                options.tell(step.name)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=1)

        def note(step: Step) -> None:
            progress.update(task, description=step.name, completed=step.number, total=max(step.total, 1))

        yield note


def print_fit(summary: FitSummary) -> None:
    """Print which encoder a collection has now."""
    passages = options.counted(summary.passages, "passage")
    fate = "was fit on just this before" if summary.unchanged else f"was fit in {summary.seconds:.0f} s"
    console = options.Output(highlight=False)
    console.print(
        f"{summary.collection}: {summary.encoder} ({summary.dimension} dimensions) {fate} and has read "
        f"{passages}",
        markup=False,
    )
    asking = "similar KEY" if summary.encoder in OF_FIELDS else "search"
    console.print(
        f"use it: xunyi {asking} --encoder {summary.encoder} -c {summary.collection} ...", markup=False
    )


def print_mix(summary: MixSummary) -> None:
    """Print what the fit of a mix came to, with the weights of every fold."""
    console = options.Output(highlight=False)
    if summary.ndcg_before is not None:
        console.print(
            f"{summary.collection}: a mix was fitted on {summary.questions} judged questions "
            f"({summary.seconds:.0f} s)",
            markup=False,
        )
        for number, fold in enumerate(summary.folds, start=1):
            console.print(f"fold {number}: {_weights(fold)}", markup=False, style="dim")
        console.print(
            f"nDCG@10 on questions held out of the fit: usual mix {summary.ndcg_before:.4f}, mix "
            f"{summary.ndcg_after:.4f}, p = {summary.p_value:.4f}",
            markup=False,
        )
    console.print(summary.reason, markup=False)
    console.print(f"in use: {_weights(summary.in_use)}", markup=False)


def print_expansion(summary: ExpansionSummary) -> None:
    """Print what the test of further words came to, mode by mode."""
    console = options.Output(highlight=False)
    if summary.tests:
        console.print(
            f"{summary.collection}: further words were tested on {summary.questions} judged questions "
            f"({summary.seconds:.0f} s)",
            markup=False,
        )
    for test in summary.tests:
        folds = ", ".join(f"{share:g}" for share in test.folds)
        console.print(f"{test.mode}: of all words they weigh {folds} in the folds", markup=False, style="dim")
        console.print(
            f"nDCG@10 on questions held out of the choice: without {test.ndcg_before:.4f}, with "
            f"{test.ndcg_after:.4f}, p = {test.p_value:.4f}",
            markup=False,
        )
        console.print(test.reason, markup=False)
    used = ", ".join(f"{share:g} of all words in mode {mode}" for mode, share in summary.in_use.items())
    console.print(f"further words in use: {used or 'none'}", markup=False)


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(["attention 1", *(f"{name} {weight:.3f}" for name, weight in weights.items())])


def print_summary(summary: TrainingSummary) -> None:
    """Print what the training came to."""
    console = options.Output(highlight=False)
    if summary.ndcg_before is not None:
        source = "judged questions" if summary.source == "judgements" else "questions in its own texts"
        console.print(
            f"{summary.collection}: {summary.kind} learned from {summary.learned_from} {source} "
            f"({summary.seconds:.0f} s)",
            markup=False,
        )
        console.print(
            f"nDCG@10 on {summary.held_out} held-out questions: {summary.before} {summary.ndcg_before:.4f}, "
            f"{summary.kind} {summary.ndcg_after:.4f}, p = {summary.p_value:.4f}",
            markup=False,
        )
    console.print(summary.reason, markup=False)
    console.print(f"attention in use: {summary.in_use}", markup=False)
