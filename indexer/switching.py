"""Another encoder takes the place of a collection's own: built beside it, tested against it, adopted or not.

While the old one serves, all passages are read by the new one, and what is stored meanwhile is read by both.
Then both answer held-out questions, and the new one takes the place unless it is worse by more than chance.
That is one transaction, and so is the way back, since the former encoder stays and goes on reading.

Killed at any moment it loses nothing: what was read stays read, and until the last transaction nothing that
is searched by has changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

import numpy as np

from indexer.chunking import passage_input
from indexer.filling import fill, fold, told
from indexer.known_answers import Asked, Asking, gains
from indexer.records import SwitchSummary
from indexer.service import Service
from indexer.store import collections, own_encoder, passages
from indexer.store.collections import Collection
from indexer.store.own_encoder import ENCODING, FOLDING, PREPARING, STEPS, TESTING
from indexer.store.passages import IndexedText
from indexer.training_tasks import Note, alone, steps_of_task
from indexer.tuning import TunedModel, tune
from search.child import Step
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.evaluation.measures import COMPARED
from search.evaluation.paired import SIGNIFICANT, p_value
from search.ranking.attention import AttentionRanker

TESTED_MAX, TESTED_MIN = 300, 20
"""Questions of the test."""
FOLDED_SECONDS = 120.0
"""How long to wait for another process to fold; searches scan the rows until then."""


def switch(
    service: Service,
    collection: str,
    encoder: str,
    judged: Judged | None = None,
    note: Note = lambda _: None,
    *,
    tuned: TunedModel | None = None,
    force: bool = False,
    task: int | None = None,
) -> SwitchSummary:
    """Have a collection read by another pretrained encoder, and make that its own if it is no worse.

    One that was not adopted stays beside the collection's own, to be compared with it or removed.

    Args:
        service: of the data folder.
        collection: whose encoder it shall be.
        encoder: its name, as for a new collection.
        judged: questions and the keys of documents that answer them; None for the texts' own questions.
        note: told about every step; may raise to stop, and another time it goes on from there.
        tuned: the encoder, where it was fine-tuned on the collection: it is tested by the questions that were
            held out, and has to gain.
        force: adopt it however its test comes out.
        task: which a worker has taken; None to make one.

    Raises:
        UnknownCollection: there is no such collection.
        UnknownName, ModelUnavailable, ModelRefused: the encoder cannot be had.
        InvalidInput: it is the collection's own, or there are too few questions to test with.
        Canceled: the task was stopped.
    """
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    own_encoder.check_other(found, encoder)
    with alone(service, note), steps_of_task(service, found, STEPS, note, task) as step:
        summary = Switching(service, found, encoder, judged, step, tuned).run(force)
    return replace(summary, seconds=perf_counter() - started)


def fine_tune(
    service: Service,
    collection: str,
    judged: Judged | None = None,
    seed: int = 0,
    note: Note = lambda _: None,
) -> SwitchSummary:
    """Fine-tune the Transformer of a collection, and make it the collection's own if that gains.

    It is tested by questions that it has not learned from, which other documents answer.

    Raises:
        InvalidInput: there are too few texts or judged questions, or the model that this makes is in use.
        UnknownCollection, ModelUnavailable, ModelRefused, StorageFull, Canceled: see ``tune`` and ``switch``.
    """
    tuned = tune(service, collection, judged, seed, note)
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    if found.encoder == tuned.name:
        raise InvalidInput(
            f"{found.name!r} is read by {tuned.name} already, which was fine-tuned on just this; judge more "
            "questions, store more documents, or choose another --seed"
        )
    return switch(service, collection, tuned.name, judged, note, tuned=tuned)


class Switching:
    """One switch of one collection."""

    def __init__(
        self,
        service: Service,
        found: Collection,
        encoder: str,
        judged: Judged | None,
        step: Note,
        tuned: TunedModel | None,
    ) -> None:
        self._service = service
        self._found = found
        self._encoder = encoder
        self._judged = judged
        self._tuned = tuned
        self._step = step

    def run(self, force: bool) -> SwitchSummary:
        """Read, test, and adopt if that may be."""
        seen = self._brought()
        fill(self._service, seen, own_encoder.all_read, told(self._step, ENCODING))
        fold(
            self._service,
            seen,
            "xunyi encoders switch",
            patience_seconds=FOLDED_SECONDS,
            waiting=lambda: self._step(Step(FOLDING, 0, 1)),
        )
        summary = self._tested(seen, force)
        if summary.adopted:
            with self._service.database.write() as connection:
                own_encoder.adopt(connection, seen, self._service.clock())
        return summary

    def _brought(self) -> Collection:
        """Give the collection the encoder; from now on what is stored is read by it, too."""
        service = self._service
        self._step(Step(PREPARING, 0, 1))
        opened = service.models.encoder(self._encoder)
        now = service.clock()
        with service.database.write() as connection:
            encoder_id = collections.ensure_encoder(
                connection, self._encoder, opened.fingerprint, opened.dimension, now
            )
            return own_encoder.bring(connection, self._found, encoder_id, now)

    # The test

    def _tested(self, seen: Collection, force: bool) -> SwitchSummary:
        """Compare both encoders by the way people search: attention over what each of them finds."""
        asking = [Asking(self._service, each, np.random.default_rng(0)) for each in (self._found, seen)]
        asked = self._questions(asking[0])[:TESTED_MAX]
        source = "judged questions whose answers are stored" if self._judged else "questions in its texts"
        summary = SwitchSummary(
            collection=self._found.name,
            before=self._found.encoder,
            after=seen.encoder,
            adopted=force,
            reason=f"{seen.encoder} was adopted untested, as was asked for",
            passages=self._count(),
            cut=self._cut(seen),
            source="judgements" if self._judged else "texts",
            held_out=len(asked),
        )
        if len(asked) < TESTED_MIN:
            if force:
                return replace(summary, held_out=0)
            raise InvalidInput(
                f"{self._found.name!r} has {len(asked)} {source}, too few to test {seen.encoder} with: at "
                f"least {TESTED_MIN} are needed; judge some (--judgements), or adopt it untested (--force)",
                questions=len(asked),
            )
        before, after = self._measured(asked, asking)
        means = [float(np.mean(list(values.values()))) for values in (before, after)]
        gain = self._tuned is not None
        adopted, reason = verdict(before, after, seen.encoder, self._found.encoder, gain=gain)
        if force and not adopted:
            reason = f"{reason}; it was adopted all the same, as was asked for"
        return replace(
            summary,
            adopted=adopted or force,
            reason=reason,
            ndcg_before=means[0],
            ndcg_after=means[1],
            p_value=p_value(before, after),
        )

    def _questions(self, asking: Asking) -> Sequence[Asked]:
        if self._tuned is not None:
            return self._tuned.held_out
        return asking.judged_questions(self._judged) if self._judged else asking.own_questions()

    def _measured(self, asked: Sequence[Asked], asking: Sequence[Asking]) -> list[Mapping[str, float]]:
        rankers = [self._ranker(each) for each in asking]
        runs: list[list[list[int]]] = [[] for _ in asking]
        for number, question in enumerate(asked, start=1):
            for each, ranker, run in zip(asking, rankers, runs, strict=True):
                run.append(each.looked(question).best(ranker))
            self._step(Step(TESTING, number, len(asked)))
        return [gains(asked, run) for run in runs]

    def _ranker(self, asking: Asking) -> AttentionRanker:
        with self._service.database.read() as connection:
            return self._service.rankers.of(connection, asking.seen, asking.encoder)[0]

    def _count(self) -> int:
        with self._service.database.read() as connection:
            return passages.count(connection, self._found.id)

    def _cut(self, seen: Collection) -> int:
        """Return how many passages are longer than the encoder reads."""
        encoder = self._service.models.transformer_of(seen)
        count, most = encoder.tokenizer.count, encoder.max_tokens
        cut, last = 0, 0
        while block := self._texts_after(last):
            inputs = (passage_input(each.title, each.heading, each.text) for each in block)
            cut += sum(count(text) > most for text in inputs)
            last = block[-1].id
        return cut

    def _texts_after(self, last: int) -> list[IndexedText]:
        with self._service.database.read() as connection:
            return passages.indexed_texts_after(connection, self._found.id, last)


def verdict(
    before: Mapping[str, float],
    after: Mapping[str, float],
    encoder: str,
    own: str,
    *,
    gain: bool = False,
) -> tuple[bool, str]:
    """Return whether an encoder may take the place of the collection's own, and why, in a sentence.

    It may unless it is worse by more than chance: who asks for it has reasons that no question tells.  One
    that has no other reason than to answer better has to ``gain``.
    """
    gained = float(np.mean([after[each] - before[each] for each in before]))
    chance = p_value(before, after)
    figures = f"{COMPARED} on {len(before)} questions is {gained:+.4f} against {own} (p = {chance:.4f})"
    if gained < 0 and chance <= SIGNIFICANT:
        return False, f"{encoder} was not adopted: {figures}, which is worse by more than chance"
    if gain and gained <= 0:
        return False, f"{encoder} was not adopted: {figures}, which is no better"
    if gained > 0 and chance <= SIGNIFICANT:
        return True, f"{encoder} was adopted: {figures}, which is better by more than chance"
    word = "better" if gained > 0 else "worse" if gained < 0 else "different"
    return True, f"{encoder} was adopted: {figures}, which is {word} by no more than chance"
