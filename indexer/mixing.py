"""The fit of a collection's mix on judged questions, and the test that decides on it.

Questions are put to the engine as they would be by a search, with every encoder fit on the collection beside
attention.  In five folds, each question is answered by weights that were fitted on the others; all of one
document are in one fold.  Only where these held-out answers are better than those of the usual mix, by more
than chance, do the weights that all questions together give come into use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.engine import Connection

from indexer import mixes as fitted_mixes
from indexer.judged_questions import FOLDS, drawn
from indexer.judged_questions import folds as drawn_folds
from indexer.known_answers import DEPTH, Asked, gains
from indexer.learning import verdict
from indexer.records import MixSummary
from indexer.service import Service
from indexer.store import collections, mixes
from indexer.store.collections import Collection
from indexer.training_tasks import Note, alone, as_task
from search.attending import WEIGHTS, Candidates, attend, second_look
from search.child import Step
from search.encoders.base import token_encoder
from search.engine import Engine
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.evaluation.paired import p_value
from search.fusion import Table, best_of_groups
from search.languages import LanguageView
from search.mix_fitting import MixLesson, fit_weights
from search.model import QUERY_CHARACTERS_MAX, SearchRequest
from search.question import Question, prepare

ASKING, FITTING = "asking questions", "fitting"
STEPS = (ASKING, FITTING)

Weights = Mapping[str, float]
Gains = Mapping[str, float]
"""Question (its place among all) -> nDCG@10."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What mode attention looks at for a judged question, before anything is weighed."""

    id: str
    asked: Asked
    question: Question
    candidates: Candidates
    attention: NDArray[np.float64]
    usual: NDArray[np.bool_]
    """Which of the candidates are looked at where no further encoder takes part."""
    languages: LanguageView
    documents: Mapping[int, int]
    """Passage -> document."""

    def table(self, weights: Weights) -> Table:
        """Return the parts of the candidates' scores, as a search has them."""
        return second_look(self.question, self.candidates, self.attention, self.languages, None, weights)

    def best(self, weights: Weights) -> list[int]:
        """Return the best documents."""
        rows = best_of_groups(self.candidates.ids, self.table(weights), DEPTH, lambda _: self.documents)
        return [row.group for row in rows]

    def best_as_usual(self) -> list[int]:
        """Return the best documents of a search as it is without a fitted mix."""
        kept = self.usual
        table = {name: column[kept] for name, column in self.candidates.table.items()}
        candidates = Candidates(self.candidates.ids[kept], table, self.candidates.complete)
        return replace(self, candidates=candidates, attention=self.attention[kept]).best(WEIGHTS)

    @property
    def unweighted(self) -> Mapping[str, NDArray[np.float64]]:
        """What the parts beside attention say; all questions have the same ones in the same order."""
        return {**{name: self.candidates.table[name] for name in WEIGHTS}, **self.candidates.beside}

    def lesson(self) -> MixLesson:
        """Return what weights are fitted to; how languages are held apart stays as it is usually."""
        table = self.table(WEIGHTS)
        documents = [self.documents[passage] for passage in self.candidates.ids.tolist()]
        answers = np.isin(documents, list(self.asked.answers))
        base = table["attention"] + table.get("language", 0.0)
        return MixLesson(base, np.stack(list(self.unweighted.values()), axis=1), answers)


@dataclass(frozen=True, slots=True)
class Validated:
    """What cross-validation found."""

    folds: Sequence[Weights]
    fold_of: Mapping[str, int]
    """Question -> the fold whose weights were fitted without it."""
    before: Gains
    """By the usual mix."""
    after: Gains
    """By the weights of each question's fold."""


def train_mix(
    service: Service, collection: str, judged: Judged, seed: int = 0, note: Note = lambda _: None
) -> MixSummary:
    """Fit a collection's mix on judged questions and put it into use if its test allows.

    Args:
        service: of the data folder.
        collection: whose answers it is to rank.
        judged: questions, and the keys of documents that answer them.
        seed: of the folds; the same questions and seed give the same weights.
        note: told about every step.

    Raises:
        UnknownCollection: there is no such collection.
        InvalidInput: too few questions have an answer in it.
        Canceled: the task was stopped.
    """
    started = perf_counter()
    with service.database.read() as connection:
        found = collections.get(connection, collection)
    with alone(service, note), as_task(service, found, STEPS, note) as step:
        looks, made_of = gathered(service, found, judged, seed, step)
        validated = cross_validated(looks, seed, step)
        adopted, reason = verdict(validated.before, validated.after, "the fitted mix", "the usual one")
        weights = fitted(looks)
        means = [float(np.mean(list(each.values()))) for each in (validated.before, validated.after)]
        chance = p_value(validated.before, validated.after)
        figures = {
            "questions": len(looks),
            "ndcg_before": means[0],
            "ndcg_after": means[1],
            "p_value": chance,
            "folds": [dict(fold) for fold in validated.folds],
        }
        kept = {name: print for name, print in made_of.items() if name in (*FIXED, *weights)}
        values = {"weights": weights, "made_of": kept, "figures": figures, "adopted": adopted}
        with service.database.write() as connection:
            mixes.add(connection, found, values, adopted, service.clock())
            used = mixes.in_use(connection, found)
    return MixSummary(
        collection=found.name,
        adopted=adopted,
        in_use=used.weights if used else WEIGHTS,
        reason=reason,
        weights=weights,
        folds=validated.folds,
        questions=len(looks),
        ndcg_before=means[0],
        ndcg_after=means[1],
        p_value=chance,
        seconds=perf_counter() - started,
    )


FIXED = (fitted_mixes.OWN, fitted_mixes.ATTENTION)
"""What every mix is made of, whichever encoders it weighs."""


def back_to_usual(service: Service, collection: str) -> MixSummary:
    """Let the usual mix rank a collection's answers from now on; raise ``UnknownCollection``."""
    with service.database.write() as connection:
        found = collections.get(connection, collection)
        mixes.use_usual(connection, found)
    return MixSummary(found.name, True, WEIGHTS, "the usual mix ranks from now on", WEIGHTS)


# Questions


def gathered(
    service: Service, found: Collection, judged: Judged, seed: int, step: Note = lambda _: None
) -> tuple[list[Looked], Mapping[str, str]]:
    """Return what searches look at for judged questions, and the fingerprints of all that has a say in it.

    Raises:
        InvalidInput: see ``train_mix``.
    """
    with service.database.read() as connection:
        encoders = fitted_mixes.complete_encoders(connection, found)
        made_of = fitted_mixes.made_of(connection, found, encoders)
    if token_encoder(service.models.encoder_of(found)) is None:
        raise InvalidInput("this collection's encoder has no token states to attend to")
    told = drawn(service, found, judged, seed, "fit a mix on and to test it with")
    looks = []
    for number, (query, answers) in enumerate(told, start=1):
        looks.append(_looked(service, found, encoders, query.id, Asked(query.text, answers)))
        step(Step(ASKING, number, len(told)))
    return looks, made_of


def _looked(
    service: Service, found: Collection, encoders: Mapping[str, Collection], id: str, asked: Asked
) -> Looked:
    encoder = service.models.encoder_of(found)
    request = SearchRequest(query=asked.text[:QUERY_CHARACTERS_MAX], mode="attention", highlight=False)
    question = fitted_mixes.asked(prepare(request, encoder, service.analyzer), encoders, service.models)

    def look(engine: Engine, connection: Connection) -> Looked:
        ranker, problem = service.rankers.of(connection, found, encoder)
        if problem:
            raise InvalidInput(f"no mix can be fitted beside it: {problem}")
        candidates = engine.candidates(question)
        ids = candidates.ids.tolist()
        states = engine.source.token_states(ids)
        if len(states) < len(ids):
            raise InvalidInput(
                f"passages of {found.name!r} have no token states yet; `xunyi worker --once` makes them, "
                "then train"
            )
        if question.pieces is None:
            raise ValueError("mode attention has pieces")
        evidence = attend(ranker, question.pieces, engine.rarity(question.terms), candidates.ids, states)
        documents = dict(engine.source.documents_of(ids))
        alone = replace(engine, beside={}).candidates(replace(question, beside={}))
        usual = np.isin(candidates.ids, alone.ids)
        scores = evidence.scores()
        return Looked(id, asked, question, candidates, scores, usual, engine.languages, documents)

    return service.at_one_state(found, look, encoders)


# Fitting and testing


def fitted(looks: Sequence[Looked]) -> Weights:
    """Return what the parts weigh by some judged questions, at least one."""
    names = list(looks[0].unweighted)
    usual = np.array([WEIGHTS.get(name, 0.0) for name in names])
    found = fit_weights([look.lesson() for look in looks], usual)
    return {name: float(weight) for name, weight in zip(names, found, strict=True) if weight > 0}


def cross_validated(looks: Sequence[Looked], seed: int, step: Note = lambda _: None) -> Validated:
    """Return how good weights are on questions that they were not fitted on."""
    fold_of = drawn_folds({look.id: look.asked.group for look in looks}, seed)
    folds: list[Weights] = []
    for fold in range(FOLDS):
        folds.append(fitted([look for look in looks if fold_of[look.id] != fold]))
        step(Step(FITTING, fold + 1, FOLDS))
    asked = [look.asked for look in looks]
    before = gains(asked, [look.best_as_usual() for look in looks])
    after = gains(asked, [look.best(folds[fold_of[look.id]]) for look in looks])
    return Validated(folds, fold_of, before, after)
