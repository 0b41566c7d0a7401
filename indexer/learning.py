"""Training of a collection's attention: lessons, the child process that learns, and the test that decides.

Questions with judged answers, or else questions that the texts ask of themselves (``text_questions.py``), are
put to the engine as they would be by a search, and what it looks at becomes their lessons.  A part of the
questions, with all documents that answer them, is held out: on it what was learned is compared with what
is in use, and only what is better by more than chance comes into use.
"""

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import numpy as np

from indexer.known_answers import Asked, Asking, Looked, gains
from indexer.records import TrainingSummary
from indexer.service import Service
from indexer.store import collections, rankers
from indexer.store.collections import Collection
from indexer.token_states import codec_of
from indexer.training_tasks import Note, alone, as_task
from search.artifacts import fingerprint_of, publish
from search.attending import weighed
from search.child import Killed, Step, run_child
from search.errors import InvalidInput, ModelUnavailable
from search.evaluation.judged import Judged
from search.evaluation.measures import COMPARED
from search.evaluation.paired import SIGNIFICANT, p_value
from search.ranking.attention import AttentionRanker, Simple
from search.ranking.learned import KINDS, SIMPLE, read_learned
from search.ranking.lessons import SCHEDULE, Lesson, LessonWriter
from search.registry import slip

HELD_OUT = 0.25
"""Share of the questions that nothing is learned from."""
LEARNED_MIN, HELD_OUT_MIN = 40, 20
"""Questions without which nothing can be learned, or said of what was."""
ANSWERS_MAX, OTHERS_MAX = 8, 24
"""Passages of a lesson: the best that answer, and the best that do not."""


def checked_kind(kind: str) -> str:
    """Return ``kind``; raise ``InvalidInput`` for one that there is not."""
    if kind not in KINDS:
        raise InvalidInput(
            f"there is no attention {kind!r}{slip(kind, KINDS)}; choose one of: {', '.join(KINDS)}"
        )
    return kind


def train(
    service: Service,
    collection: str,
    kind: str,
    seed: int = 0,
    judged: Judged | None = None,
    note: Note = lambda _: None,
    *,
    use: bool = True,
) -> TrainingSummary:
    """Train a kind of attention and put it into use if its test allows; ``simple`` is put into use as it is.

    Args:
        service: of the data folder.
        collection: what it learns from and is for.
        kind: see ``KINDS``.
        seed: of every draw; the same texts and seed give the same bytes.
        judged: questions and the keys of documents that answer them; None for the texts' own questions.
        note: told about every step.
        use: whether it may come into use at all.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: no such kind, or too few texts or judged questions.
        Canceled: the task was stopped.
    """
    checked_kind(kind)
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
        before = rankers.in_use(connection, found)
    if kind == SIMPLE:
        return _back_to_simple(service, found, before.kind if before else SIMPLE)
    with alone(service, note), as_task(service, found, STEPS, note) as step:
        _sweep(service)
        trained = Training(service, found, kind, seed, judged, step).run(use)
    return replace(trained, seconds=perf_counter() - started)


def _back_to_simple(service: Service, found: Collection, before: str) -> TrainingSummary:
    with service.database.write() as connection:
        rankers.use_simple(connection, found)
    told = "simple attention needs no training and ranks from now on"
    return TrainingSummary(found.name, SIMPLE, True, SIMPLE, told, before)


def _sweep(service: Service) -> None:
    """Delete what a killed training has left."""
    folder = service.settings.rankers_folder
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with service.database.read() as connection:
        named = set(rankers.folders(connection))
    for left in folder.iterdir():
        if left.is_dir() and left.name not in named:
            shutil.rmtree(left)


GATHERING, TRAINING, TESTING = "asking questions", "training", "testing"
STEPS = (GATHERING, TRAINING, TESTING)


class Training:
    """One training of one collection."""

    def __init__(
        self, service: Service, found: Collection, kind: str, seed: int, judged: Judged | None, step: Note
    ) -> None:
        self._service = service
        self._found = found
        self._kind = kind
        self._seed = seed
        self._judged = judged
        self._step = step
        self._generator = np.random.default_rng(seed)
        self._asking = Asking(service, found, self._generator)
        self._encoder = self._asking.encoder
        self._folder = service.settings.rankers_folder
        with service.database.read() as connection:
            used = rankers.in_use(connection, found)
        self._used_kind = used.kind if used else SIMPLE

    def run(self, use: bool) -> TrainingSummary:
        """Learn, test, and note the result."""
        learned, held_out = self.parted()
        folder = f"{self._kind}-{uuid4().hex[:16]}"
        with tempfile.TemporaryDirectory(prefix=".lessons-", dir=self._folder) as scratch:
            lessons = self._write_lessons(Path(scratch), learned)
            fingerprint = self._learn(Path(scratch), folder)
        ranker = read_learned(self._folder / folder, fingerprint, self._encoder.dimension)
        summary = self._tested(ranker, lessons, held_out)
        values = {
            "kind": self._kind,
            "folder": folder,
            "fingerprint": fingerprint,
            "encoder_fingerprint": self._encoder.fingerprint,
            "codec": codec_of(self._encoder),
            "options": {"seed": self._seed, "source": summary.source},
            "figures": {name: getattr(summary, name) for name in FIGURES},
            "adopted": summary.adopted,
        }
        used = use and summary.adopted
        with self._service.database.write() as connection:
            left = rankers.add(connection, self._found, values, used, self._service.clock())
        for old in left:
            shutil.rmtree(self._folder / old, ignore_errors=True)
        return replace(summary, in_use=self._kind if used else self._used_kind, fingerprint=fingerprint)

    def _parted(self, asked: Sequence[Asked]) -> tuple[list[Asked], list[Asked]]:
        groups = sorted({question.group for question in asked})
        drawn = self._generator.permutation(groups).tolist()
        held: set[int] = set()
        counts = Counter(question.group for question in asked)
        wanted = max(HELD_OUT_MIN, round(HELD_OUT * len(asked)))
        for group in drawn:
            if sum(counts[each] for each in held) >= wanted:
                break
            held.add(group)
        learned = [question for question in asked if question.group not in held]
        held_out = [question for question in asked if question.group in held]
        if len(learned) < LEARNED_MIN or len(held_out) < HELD_OUT_MIN:
            things = "judged questions whose answers are stored" if self._judged else "questions in its texts"
            raise InvalidInput(
                f"{self._found.name!r} has {len(asked)} {things}, too few to learn from and to test with: "
                f"at least {LEARNED_MIN + HELD_OUT_MIN} are needed, about several documents",
                questions=len(asked),
            )
        return learned, held_out

    def parted(self) -> tuple[list[Asked], list[Asked]]:
        """Return the questions to learn from, and those held out, which other documents answer.

        Raises:
            InvalidInput: there are too few.
        """
        if self._judged:
            return self._parted(self._asking.judged_questions(self._judged))
        return self._parted(self._asking.own_questions())

    # Lessons

    def _write_lessons(self, folder: Path, asked: Sequence[Asked]) -> int:
        writer = LessonWriter(folder)
        for number, question in enumerate(asked, start=1):
            lesson = _lesson(writer, question, self._asking.looked(question))
            if lesson is not None:
                writer.add(lesson)
            self._step(Step(GATHERING, number, len(asked)))
        if len(writer) < LEARNED_MIN:
            raise InvalidInput(
                f"only {len(writer)} questions of {self._found.name!r} have both right and wrong passages to "
                f"learn from, and {LEARNED_MIN} are needed; store more documents",
                questions=len(writer),
            )
        writer.close()
        return len(writer)

    # Learning and testing

    def _learn(self, lessons: Path, name: str) -> str:
        """Have a child process learn and publish what it learned; return its fingerprint."""
        (lessons / SCHEDULE).write_text(json.dumps({"kind": self._kind, "seed": self._seed}), "utf-8")
        aside = Path(tempfile.mkdtemp(prefix=".learned-", dir=self._folder))
        try:
            run_child("search.ranking.training", [str(lessons), str(aside)], self._step)
        except Killed as killed:
            raise ModelUnavailable(
                f"the training was killed by signal {killed}, often for want of memory; free some and try "
                "again"
            ) from None
        publish(aside, self._folder / name)
        return fingerprint_of(self._folder / name)

    def _tested(self, ranker: AttentionRanker, lessons: int, held_out: Sequence[Asked]) -> TrainingSummary:
        """Compare what was learned with what is in use."""
        used = self._in_use()
        runs: tuple[list[list[int]], list[list[int]]] = ([], [])
        for number, question in enumerate(held_out, start=1):
            looked = self._asking.looked(question)
            for run, each in zip(runs, (used, ranker), strict=True):
                run.append(looked.best(each))
            self._step(Step(TESTING, number, len(held_out)))
        before, after = (gains(held_out, run) for run in runs)
        means = [float(np.mean(list(values.values()))) for values in (before, after)]
        adopted, reason = verdict(before, after, self._kind, self._used_kind)
        return TrainingSummary(
            collection=self._found.name,
            kind=self._kind,
            adopted=adopted,
            in_use=self._used_kind,
            reason=reason,
            before=self._used_kind,
            source="judgements" if self._judged else "texts",
            learned_from=lessons,
            held_out=len(held_out),
            ndcg_before=means[0],
            ndcg_after=means[1],
            p_value=p_value(before, after),
        )

    def _in_use(self) -> AttentionRanker:
        with self._service.database.read() as connection:
            return self._service.rankers.of(connection, self._found, self._encoder)[0]


FIGURES = ("before", "source", "learned_from", "held_out", "ndcg_before", "ndcg_after", "p_value")


def verdict(
    before: Mapping[str, float], after: Mapping[str, float], kind: str, used: str
) -> tuple[bool, str]:
    """Return whether what was learned may come into use, and why, in a sentence.

    It may where it is better by more than chance.  That it is not shown to be worse would be too little: what
    was learned from wrong judgements is no worse by these, and an equal ranking is only slower.
    """
    gained = float(np.mean([after[each] - before[each] for each in before]))
    chance = p_value(before, after)
    told = (
        f"{COMPARED} on {len(before)} held-out questions is {gained:+.4f} against {used} (p = {chance:.4f})"
    )
    if gained <= 0:
        return False, f"{kind} was not adopted: {told}, which is no better"
    if chance > SIGNIFICANT:
        return False, f"{kind} was not adopted: {told}, which may be chance"
    return True, f"{kind} was adopted: {told}, which is more than chance"


def _lesson(writer: LessonWriter, asked: Asked, looked: Looked) -> Lesson | None:
    """Return the lesson of a question, or None where nothing can be told right from wrong."""
    parts = looked.parts(Simple())
    scores = np.sum(list(parts.values()), axis=0)
    ids = looked.candidates.ids
    documents = np.array([looked.documents[passage] for passage in ids.tolist()])
    answers = np.isin(documents, list(asked.answers))
    order = np.lexsort((ids, -scores))
    kept = np.concatenate([order[answers[order]][:ANSWERS_MAX], order[~answers[order]][:OTHERS_MAX]])
    if answers[kept].all() or not answers[kept].any() or looked.question.pieces is None:
        return None
    query, weights = weighed(looked.question.pieces, looked.rarity)
    hidden = asked.hidden.id if asked.hidden else None
    numbers = [
        writer.passage((asked.text, passage) if passage == hidden else passage, looked.states[passage])
        for passage in ids[kept].tolist()
    ]
    return Lesson(
        query=query.states,
        weights=weights.astype(np.float32),
        passages=np.array(numbers, dtype=np.int64),
        beside=(scores - parts["attention"])[kept].astype(np.float32),
        documents=np.unique(documents[kept], return_inverse=True)[1].astype(np.int64),
        answers=answers[kept],
    )
