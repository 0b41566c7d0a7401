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
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer import generations
from indexer.chunking import passage_input
from indexer.lexical_caches import terms_of
from indexer.records import TrainingSummary
from indexer.service import Service
from indexer.store import collections, passages, rankers
from indexer.store.collections import Collection
from indexer.store.passages import IndexedText
from indexer.store.tables import DocumentRow
from indexer.text_questions import TextQuestion, questions_of
from indexer.token_states import codec_of
from indexer.training_tasks import Note, alone, as_task
from search.artifacts import fingerprint_of, publish
from search.attending import Candidates, attend, second_look, weighed
from search.centring import UNKNOWN_SHARE, centred, mean_of_all, passage_mean
from search.child import Killed, Step, run_child
from search.encoders.base import TokenEncoder, token_encoder
from search.engine import Engine
from search.errors import InvalidInput, ModelUnavailable
from search.evaluation.judged import Judged
from search.evaluation.measures import by_query
from search.evaluation.paired import p_value
from search.fusion import best_of_groups
from search.languages import LanguageView
from search.lexical.bm25 import score_passages
from search.model import QUERY_CHARACTERS_MAX, SearchRequest
from search.question import Question, prepare
from search.ranking.attention import AttentionRanker, Simple
from search.ranking.learned import KINDS, SIMPLE, read_learned
from search.ranking.lessons import SCHEDULE, Lesson, LessonWriter
from search.ranking.token_codec import packed
from search.registry import slip

QUESTIONS_MAX = 1200
"""Questions that are put in all: some minutes, and 25 KB for each of some twenty passages of each."""
HELD_OUT = 0.25
"""Share of the questions that nothing is learned from."""
LEARNED_MIN, HELD_OUT_MIN = 40, 20
"""Questions without which nothing can be learned, or said of what was."""
ANSWERS_MAX, OTHERS_MAX = 8, 24
"""Passages of a lesson: the best that answer, and the best that do not."""
DEPTH = 10
SIGNIFICANT = 0.05
"""How likely a gain may be by chance alone for what was learned to come into use."""
MEASURE = "nDCG@10"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question to learn from, or to be tested with."""

    text: str
    answers: Mapping[int, int]
    """Document -> grade above 0."""
    hidden: IndexedText | None = None
    """Where the question is of the collection's own: the passage that answers, without the question."""

    @property
    def group(self) -> int:
        """A document that answers: questions of one document are learned from or held out together."""
        return min(self.answers, key=lambda document: (-self.answers[document], document))


@dataclass(frozen=True, slots=True)
class Looked:
    """What the engine looks at for a question."""

    question: Question
    candidates: Candidates
    states: Mapping[int, bytes]
    rarity: Mapping[str, float]
    languages: LanguageView
    documents: Mapping[int, int]
    """Passage -> document."""

    def parts(self, ranker: AttentionRanker) -> Mapping[str, NDArray[np.float64]]:
        """Return the parts of the candidates' scores, as a search has them."""
        if self.question.pieces is None:
            raise ValueError("mode attention has pieces")
        evidence = attend(ranker, self.question.pieces, self.rarity, self.candidates.ids, self.states)
        return second_look(self.question, self.candidates, evidence, self.languages, None)

    def best(self, ranker: AttentionRanker) -> list[int]:
        """Return the best documents."""
        rows = best_of_groups(self.candidates.ids, self.parts(ranker), DEPTH, lambda _: self.documents)
        return [row.group for row in rows]


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
        encoder = token_encoder(service.models.encoder_of(found))
        if encoder is None:
            raise InvalidInput("this collection's encoder has no token states to attend to")
        self._service = service
        self._found = found
        self._kind = kind
        self._seed = seed
        self._judged = judged
        self._step = step
        self._encoder: TokenEncoder = encoder
        self._generator = np.random.default_rng(seed)
        self._folder = service.settings.rankers_folder
        with service.database.read() as connection:
            manifest = generations.active(connection, found)
            used = rankers.in_use(connection, found)
        self._mean = passage_mean(
            encoder.passage_means, manifest.chinese_share if manifest else UNKNOWN_SHARE
        )
        self._used_kind = used.kind if used else SIMPLE

    def run(self, use: bool) -> TrainingSummary:
        """Learn, test, and note the result."""
        learned, held_out = self._parted(self.questions())
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

    # Questions

    def questions(self) -> list[Asked]:
        """Return the judged questions, else those that the texts ask of themselves."""
        return self._judged_questions(self._judged) if self._judged else self._own_questions()

    def _judged_questions(self, judged: Judged) -> list[Asked]:
        with self._service.database.read() as connection:
            query = sa.select(DocumentRow.key, DocumentRow.id).where(
                DocumentRow.collection_id == self._found.id
            )
            documents = {row.key: row.id for row in connection.execute(query)}
        asked = []
        for question in judged.queries:
            grades = judged.judgements[question.id]
            answers = {
                documents[key]: grade for key, grade in grades.items() if grade > 0 and key in documents
            }
            if answers:
                asked.append(Asked(question.text, answers))
        return [asked[place] for place in self._generator.permutation(len(asked)).tolist()][:QUESTIONS_MAX]

    def _own_questions(self) -> list[Asked]:
        """Return questions of the texts: of every passage one, drawn, before the second of any."""
        with self._service.database.read() as connection:
            documents = passages.documents_by_passage(connection, self._found.id)
            titles, headings = passages.names_counted(connection, self._found.id)
            drawn = self._generator.permutation(np.array(sorted(documents), dtype=np.int64)).tolist()
            texts = {text.id: text for text in passages.indexed_texts(connection, drawn[:QUESTIONS_MAX])}
        rounds: list[tuple[int, TextQuestion]] = []
        for passage in filter(texts.__contains__, drawn):
            mine = list(
                questions_of(
                    texts[passage],
                    documents[passage],
                    titles,
                    headings,
                    self._service.analyzer,
                    self._generator,
                )
            )
            order = self._generator.permutation(len(mine)).tolist()
            rounds += [(turn, mine[place]) for turn, place in enumerate(order)]
        rounds.sort(key=lambda one: one[0])
        asked = {each.text: Asked(each.text, {each.document: 1}, each.answer) for _, each in reversed(rounds)}
        return list(reversed(asked.values()))[:QUESTIONS_MAX]

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
        return self._parted(self.questions())

    # Lessons

    def _write_lessons(self, folder: Path, asked: Sequence[Asked]) -> int:
        writer = LessonWriter(folder)
        for number, question in enumerate(asked, start=1):
            lesson = _lesson(writer, question, self._looked(question))
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

    def _looked(self, asked: Asked) -> Looked:
        """Return what a search looks at for a question.

        Raises:
            InvalidInput: passages have no token states yet.
        """
        service = self._service
        request = SearchRequest(query=asked.text[:QUERY_CHARACTERS_MAX], mode="attention", highlight=False)
        question = prepare(request, self._encoder, service.analyzer)
        instead = self._hidden(asked.hidden, question) if asked.hidden else None

        def look(engine: Engine, connection: Connection) -> Looked:
            candidates = engine.candidates(question)
            states = dict(engine.source.token_states(candidates.ids.tolist()))
            documents = dict(engine.source.documents_of(candidates.ids.tolist()))
            if len(states) < candidates.ids.size:
                raise InvalidInput(
                    f"passages of {self._found.name!r} have no token states yet; `xunyi worker --once` makes "
                    "them, then train"
                )
            if asked.hidden and instead:
                (document,) = asked.answers
                packed_states, cosine = instead
                kept = np.array([documents[each] != document for each in candidates.ids.tolist()], dtype=bool)
                given = {"dense": cosine, "lexical": self._words(engine, question, asked.hidden)}
                table = {
                    name: np.append(part[kept], given.get(name, 0.0))
                    for name, part in candidates.table.items()
                }
                ids = np.append(candidates.ids[kept], asked.hidden.id)
                candidates = Candidates(ids, table, False)
                states[asked.hidden.id] = packed_states
                documents[asked.hidden.id] = document
            rarity = engine.rarity(question.terms)
            return Looked(question, candidates, states, rarity, engine.languages, documents)

        return service.at_one_state(self._found, look)

    def _hidden(self, passage: IndexedText, question: Question) -> tuple[bytes, float]:
        """Return the states of a passage without its question, and its cosine to that."""
        encoder, text = self._encoder, passage_input(passage.title, passage.heading, passage.text)
        rows, tokens = encoder.encode_tokens([text], "passage")
        centre = mean_of_all(encoder.token_passage_means)
        stored = packed(tokens[0].states, tokens[0].spans, text, centre)
        return stored, float(centred(rows, self._mean)[0] @ question.vector)

    def _words(self, engine: Engine, question: Question, passage: IndexedText) -> float:
        terms = terms_of(self._service.analyzer, passage)
        statistics = engine.words.statistics(question.terms)
        return engine.lexical_factor(question) * float(score_passages(question.terms, [terms], statistics)[0])

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
        runs: dict[str, dict[str, list[str]]] = {"before": {}, "after": {}}
        judgements = {}
        for number, question in enumerate(held_out):
            looked = self._looked(question)
            judgements[str(number)] = {str(document): grade for document, grade in question.answers.items()}
            for name, each in (("before", used), ("after", ranker)):
                runs[name][str(number)] = [str(document) for document in looked.best(each)]
            self._step(Step(TESTING, number + 1, len(held_out)))
        before, after = (by_query(judgements, run)[MEASURE] for run in runs.values())
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
    told = f"{MEASURE} on {len(before)} held-out questions is {gained:+.4f} against {used} (p = {chance:.4f})"
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
