"""The fine-tuning of a collection's Transformer: what it learns from, the child process, the model it makes.

Questions with judged answers, or else those that the texts ask of themselves, become lessons: each with the
passage that answers it and with passages that the present model takes for near.  A child process learns from
them and makes a prepared model, which ``Models`` opens by its name as any other.  Nothing changes in the
collection: whether it is to be read by this model, the questions that were held out have to tell.

Killed at any moment it goes on from its last checkpoint where the collection is still the same.
"""

import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import cast

import numpy as np
from sqlalchemy.engine import Connection

from indexer.chunking import passage_input
from indexer.known_answers import Asked
from indexer.learning import Training
from indexer.service import Service
from indexer.store import collections, passages
from indexer.store.collections import Collection
from indexer.store.passages import IndexedText
from indexer.training_tasks import Note, alone, as_task
from search.arrays import Matrix, Vector
from search.child import Killed, Step
from search.encoders.names import tuned_folder_name
from search.encoders.tuning import (
    PREPARING,
    TUNING,
    TuningLesson,
    TuningPassage,
    forget_lessons,
    run,
    write_order,
)
from search.engine import Engine
from search.errors import InvalidInput, ModelUnavailable
from search.evaluation.judged import Judged
from search.model import QUERY_CHARACTERS_MAX, SearchRequest
from search.question import Question, prepare

ASKING = "asking questions"
STEPS = (ASKING, TUNING, PREPARING)
ANSWERS_MAX = 4
"""Answering documents of a question that become lessons, the best first."""
NEAR = 30
OTHERS_FROM, OTHERS_MAX = 3, 6
"""Passages of other documents beside an answer.  The very nearest are often answers that nobody judged (Qu et
al., RocketQA, NAACL 2021, section 3.2.2)."""
LESSONS_MIN = 20


@dataclass(frozen=True, slots=True)
class TunedModel:
    """A Transformer that was fine-tuned on a collection, ready to be opened by its name."""

    name: str
    fingerprint: str
    base: str
    """Name of the model that it began as."""
    lessons: int
    held_out: tuple[Asked, ...]
    """Questions that it has not learned from, and that other documents answer."""
    unchanged: bool
    """Whether it had been made of just this before."""
    seconds: float


def tune(
    service: Service,
    collection: str,
    judged: Judged | None = None,
    seed: int = 0,
    note: Note = lambda _: None,
) -> TunedModel:
    """Fine-tune the Transformer of a collection; the same texts and seed give the same bytes.

    Args:
        service: of the data folder.
        collection: what it learns from.
        judged: questions and the keys of documents that answer them; None for the texts' own questions.
        seed: of every draw.
        note: told about every step; may raise to stop, and another call goes on from there.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: there are too few texts or judged questions.
        ModelUnavailable: the child process was killed, or the model to begin with cannot be had.
        ModelRefused: the tuned model would not be served as it was trained.
        StorageFull: the disk cannot hold it.
        Canceled: the task was stopped.
    """
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    with alone(service, note), as_task(service, found, STEPS, note) as step:
        return Tuning(service, found, judged, seed, step).run()


class Tuning:
    """One fine-tuning on one collection."""

    def __init__(
        self, service: Service, found: Collection, judged: Judged | None, seed: int, step: Note
    ) -> None:
        self._service = service
        self._found = found
        self._seed = seed
        self._step = step
        self._encoder = service.models.transformer_of(found)
        self._training = Training(service, found, "trainable", seed, judged, step)
        self._tuned = service.models.tuned
        self._order = self._tuned.order(found.id, seed)
        self._passages_of: defaultdict[int, list[int]] = defaultdict(list)
        with service.database.read() as connection:
            for passage, document in passages.documents_by_passage(connection, found.id).items():
                self._passages_of[document].append(passage)
        self._passages: list[TuningPassage] = []
        self._numbers: dict[object, int] = {}

    def run(self) -> TunedModel:
        """Gather lessons, learn, and publish."""
        started = perf_counter()
        learned, held_out = self._training.parted()
        lessons = self._lessons(learned)
        base = self._base()
        try:
            made_of = write_order(self._order, base, self._seed, self._passages, lessons)
            known = self._tuned.made_of(self._found.id, made_of)
            with self._service.database.read() as connection:
                kept = {self._order.name, str(tuned_folder_name(known or ""))}
                self._tuned.sweep(connection, self._found.id, kept)
            name = known or self._made()
        finally:
            forget_lessons(self._order)  # what is deleted from the collection is to be gone from here, too
        shutil.rmtree(self._order)
        return TunedModel(
            name=name,
            fingerprint=self._tuned.read(name).fingerprint,
            base=base,
            lessons=len(lessons),
            held_out=tuple(held_out),
            unchanged=known is not None,
            seconds=perf_counter() - started,
        )

    def _base(self) -> str:
        """Return the model to begin with: of one that was fine-tuned before, what that began as."""
        name = self._found.encoder
        if tuned_folder_name(name) is None:
            return name
        return str(self._tuned.read(name).report["base"])

    def _made(self) -> str:
        try:
            model = run(self._order, self._step)
        except Killed as killed:
            raise ModelUnavailable(
                f"the fine-tuning was killed by signal {killed}, often for want of memory; free some, then "
                "train again to go on from its last checkpoint"
            ) from None
        return self._tuned.add(self._found.id, model)

    # Lessons

    def _lessons(self, asked: Sequence[Asked]) -> list[TuningLesson]:
        lessons: list[TuningLesson] = []
        for number, each in enumerate(asked, start=1):
            lessons += self._lessons_of(each)
            self._step(Step(ASKING, number, len(asked)))
        if len(lessons) < LESSONS_MIN:
            raise InvalidInput(
                f"only {len(lessons)} questions of {self._found.name!r} have both right and wrong passages "
                f"to learn from, and {LESSONS_MIN} are needed; store more documents",
                questions=len(lessons),
            )
        return lessons

    def _lessons_of(self, asked: Asked) -> list[TuningLesson]:
        """Return a lesson for each of the best documents that answer; none where nothing else is near."""
        request = SearchRequest(
            query=asked.text[:QUERY_CHARACTERS_MAX], mode="dense", limit=NEAR, highlight=False
        )
        question = prepare(request, self._encoder, self._service.analyzer)

        def look(engine: Engine, connection: Connection) -> list[TuningLesson]:
            near = _near(engine, question)
            others = [passage for passage, document in near.items() if document not in asked.answers]
            others = others[OTHERS_FROM:][:OTHERS_MAX] or others
            if not others:
                return []
            given = [
                self._number(text.id, near[text.id], text)
                for text in passages.indexed_texts(connection, others)
            ]
            return [
                TuningLesson(asked.text, answer, given, sorted(asked.answers), asked.group)
                for answer in self._answers(connection, asked, question)
            ]

        return self._service.at_one_state(self._found, look)

    def _answers(self, connection: Connection, asked: Asked, question: Question) -> list[int]:
        """Return the numbers of the passages that answer: of each document the nearest."""
        if asked.hidden:
            (document,) = asked.answers
            return [self._number((asked.text, asked.hidden.id), document, asked.hidden)]
        vector = cast(Vector, question.vector)  # of mode dense
        numbers = []
        for document in sorted(asked.answers, key=lambda each: (-asked.answers[each], each))[:ANSWERS_MAX]:
            ids, rows = passages.vectors_of(connection, self._found, self._passages_of.get(document, []))
            if ids.size:
                nearest = int(ids[int(np.argmax(cast(Matrix, rows) @ vector))])
                (text,) = passages.indexed_texts(connection, [nearest])
                numbers.append(self._number(nearest, document, text))
        return numbers

    def _number(self, name: object, document: int, text: IndexedText) -> int:
        """Return the number of a passage among those that are learned from."""
        if name not in self._numbers:
            self._numbers[name] = len(self._passages)
            read = passage_input(text.title, text.heading, text.text)
            self._passages.append(TuningPassage(document, read))
        return self._numbers[name]


def _near(engine: Engine, question: Question) -> dict[int, int]:
    """Return passage -> document of what is near a question, the nearest first."""
    candidates = engine.candidates(question)
    scores = np.sum(list(candidates.table.values()), axis=0)
    ids = candidates.ids[np.lexsort((candidates.ids, -scores))][:NEAR].tolist()
    documents = engine.source.documents_of(ids)
    return {passage: documents[passage] for passage in ids}
