"""The test of further words on judged questions, mode by mode, and what they weigh where it lets them in.

Every question is put as it is and with further words of several weights.  In five folds, each is answered by
the weight that answers the others best; all of one document are in one fold.  Only in modes in which these
held-out answers are better than those without further words, by more than chance, are they looked for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from sqlalchemy.engine import Connection

from indexer import mixes as fitted_mixes
from indexer.expansions import made_of
from indexer.judged_questions import FOLDS, drawn, folds
from indexer.known_answers import DEPTH, Asked
from indexer.learning import verdict
from indexer.mixes import Mix
from indexer.records import ExpansionSummary, ExpansionTest
from indexer.service import Service
from indexer.store import collections, expansions
from indexer.store.collections import Collection
from indexer.store.expansions import StoredExpansion
from indexer.training_tasks import Note, alone, as_task
from search.child import Step
from search.encoders.base import token_encoder
from search.engine import Engine
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.evaluation.measures import COMPARED, by_query
from search.evaluation.paired import p_value
from search.expansion import EXPANDED, weighed
from search.model import QUERY_CHARACTERS_MAX, Mode, SearchRequest
from search.question import Question, prepare

NONE = 0.0
"""Share of a question that is put as it is."""
SHARES = (NONE, 0.15, 0.3, 0.5)
"""What further words may weigh, of all words; the first of those that are equally good is chosen."""
STEPS = tuple(f"asking in mode {mode}" for mode in EXPANDED)

Gains = Mapping[str, float]
"""Question -> nDCG@10."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How good answers are in one mode, by what further words weigh."""

    mode: Mode
    gains: Mapping[float, Gains]
    """Share -> what it answers."""
    fold_of: Mapping[str, int]

    def best(self, questions: Sequence[str]) -> float:
        """Return the share that answers some questions best."""
        means = [np.mean([self.gains[share][each] for each in questions]) for share in SHARES]
        return SHARES[int(np.argmax(means))]

    @property
    def folds(self) -> list[float]:
        """The share of every fold, chosen without its questions."""
        questions = self.fold_of.items()
        return [self.best([each for each, fold in questions if fold != left]) for left in range(FOLDS)]

    def test(self) -> ExpansionTest:
        """Return whether further words are better than none on questions held out of the choice."""
        chosen = self.folds
        before = self.gains[NONE]
        after = {each: self.gains[chosen[fold]][each] for each, fold in self.fold_of.items()}
        adopted, reason = verdict(
            before, after, f"the expansion in mode {self.mode}", "the questions' own words"
        )
        share = self.best(list(self.fold_of))
        return ExpansionTest(
            self.mode,
            adopted and share > NONE,
            reason,
            share,
            chosen,
            float(np.mean(list(before.values()))),
            float(np.mean(list(after.values()))),
            p_value(before, after),
        )


def train_expansion(
    service: Service, collection: str, judged: Judged, seed: int = 0, note: Note = lambda _: None
) -> ExpansionSummary:
    """Test further words on judged questions, and let those modes look for them in which they gain.

    Args:
        service: of the data folder.
        collection: whose questions are to be expanded.
        judged: questions, and the keys of documents that answer them.
        seed: of the folds; the same questions and seed give the same shares.
        note: told about every step.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: too few questions have an answer in it, or attention cannot rank it now.
        Canceled: the task was stopped.
    """
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    with alone(service, note), as_task(service, found, STEPS, note) as step:
        told = drawn(service, found, judged, seed, "choose a weight by and to test it with")
        with service.database.read() as connection:
            mix = fitted_mixes.of_collection(connection, found)
            parts = made_of(connection, found, mix)
        asked = {query.id: Asked(query.text, answers) for query, answers in told}
        modes = modes_of(service, found)
        tests = [tested(service, found, mix, mode, asked, seed, step).test() for mode in modes]
        shares: dict[Mode, float] = {test.mode: test.share for test in tests if test.adopted}
        figures: dict[str, Any] = {
            test.mode: {
                "questions": len(asked),
                "share": test.share,
                "ndcg_before": test.ndcg_before,
                "ndcg_after": test.ndcg_after,
                "p_value": test.p_value,
                "folds": test.folds,
            }
            for test in tests
        }
        with service.database.write() as connection:
            expansions.put(connection, found, StoredExpansion(shares, parts, figures), service.clock())
    return ExpansionSummary(found.name, shares, tests, len(asked), perf_counter() - started)


def back_to_none(service: Service, collection: str) -> ExpansionSummary:
    """Let questions be asked as they are from now on; raise ``UnknownCollection``."""
    with service.database.write() as connection:
        found = collections.get(connection, collection)
        expansions.remove(connection, found)
    return ExpansionSummary(found.name, {})


def modes_of(service: Service, found: Collection) -> list[Mode]:
    """Return the modes of a collection in which further words can be looked for."""
    attentive = token_encoder(service.models.encoder_of(found)) is not None
    return [mode for mode in EXPANDED if attentive or mode != "attention"]


def tested(
    service: Service,
    found: Collection,
    mix: Mix,
    mode: Mode,
    asked: Mapping[str, Asked],
    seed: int,
    step: Note = lambda _: None,
) -> Trial:
    """Return how good answers are in a mode, by what further words weigh.

    Args:
        service: of the data folder.
        found: the collection that is asked.
        mix: what weighs beside attention.
        mode: one of ``EXPANDED``.
        asked: the questions.
        seed: of the folds.
        step: told after every question.

    Raises:
        InvalidInput: attention cannot rank the collection now.
    """
    beside = mix if mode == "attention" else fitted_mixes.USUAL
    runs: dict[float, dict[str, list[str]]] = {share: {} for share in SHARES}
    for number, (id, question) in enumerate(asked.items(), start=1):
        for share, documents in _answers(service, found, beside, mode, question.text).items():
            runs[share][id] = documents
        step(Step(STEPS[EXPANDED.index(mode)], number, len(asked)))
    judgements = {
        id: {str(document): grade for document, grade in each.answers.items()} for id, each in asked.items()
    }
    gains = {share: by_query(judgements, run)[COMPARED] for share, run in runs.items()}
    return Trial(mode, gains, folds({id: each.group for id, each in asked.items()}, seed))


def _answers(service: Service, found: Collection, mix: Mix, mode: Mode, text: str) -> dict[float, list[str]]:
    """Return share -> the best documents of a question that is put with such a share of further words."""
    encoder = service.models.encoder_of(found)
    request = SearchRequest(query=text[:QUERY_CHARACTERS_MAX], limit=DEPTH, mode=mode, highlight=False)
    question = fitted_mixes.asked(prepare(request, encoder, service.analyzer), mix.encoders, service.models)

    def look(engine: Engine, connection: Connection) -> dict[float, list[str]]:
        ranker, problem = service.rankers.of(connection, found, encoder)
        if mode == "attention" and (problem or mix.problem):
            raise InvalidInput(f"further words cannot be tested: {problem or mix.problem}")
        engine = mix.ranking(engine, ranker)
        likely = engine.likely_words(question, None)
        return {
            share: _documents(
                engine, replace(question, expansion=weighed(likely, question.terms, share) if share else None)
            )
            for share in SHARES
        }

    return service.at_one_state(found, look, mix.encoders)


def _documents(engine: Engine, question: Question) -> list[str]:
    """Return the best documents; raise ``InvalidInput`` where another mode answered."""
    answer = engine.answer(question, None)
    if answer.mode != question.mode:
        raise InvalidInput(
            "passages of the collection have no token states yet, or damaged ones; `xunyi worker --once` "
            "makes them, then train"
        )
    passages = [hit.passage.id for hit in answer.hits]
    documents = engine.source.documents_of(passages)
    return [str(documents[passage]) for passage in passages]
