"""``xunyi evaluate --calibration``: whether a relevance means what it says, and what that costs.

Two kinds of questions are put: judged ones, and foreign ones, which the collection has no answer to.  Of a
relevance of r it is claimed that the share r of foreign questions find nothing as relevant; the diagram holds
that share against the claim.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.calibrating import EVERY, attended, calibrate
from indexer.service import Service
from indexer.store import calibrations, collections
from indexer.store.collections import Collection
from search.encoders.base import Language
from search.encoders.built_in_texts import questions
from search.errors import InvalidInput
from search.evaluation.judged import Judged
from search.relevance import RELEVANT, SCORES_MIN, Calibration, evidence, refined
from search.text.language import language as language_of

CLAIMS = tuple(tenth / 10 for tenth in range(1, 10))
FOLDS = 10


@dataclass(frozen=True, slots=True)
class Point:
    """One claim of the reliability diagram."""

    relevance: float
    foreign_below: float
    """Share of foreign questions that find nothing as relevant; in a perfect calibration the claim itself."""
    judged_below: float
    """Share of judged questions that do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What "nothing relevant" would do at a level."""

    level: Mapping[Language, float]
    """By language of the question."""
    rejected: float
    """Share of foreign questions that are told that nothing is relevant."""
    recall_cost: float
    """Share of all R@10 that belongs to judged questions which are told that, and might not look on."""


@dataclass(frozen=True, slots=True)
class Reliability:
    """What ``evaluate --calibration`` found."""

    questions: int
    foreign: int
    foreign_from: str
    diagram: Sequence[Point]
    usual: Outcome
    """By shipped questions alone."""
    refined: Outcome | None
    """With levels by nine tenths of the judged questions, measured on the last; None of too few."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of one question."""

    spoken: Language
    best: float
    """Relevance of the most relevant passage."""
    answer: float | None
    """Relevance of the most relevant judged answer on the page, if there is one."""
    recall: float
    """R@10."""


def reliability(service: Service, name: str, judged: Judged, foreign: Judged | None) -> Reliability:
    """Measure the calibration of a collection, which is made anew; levels by judgements stay as they are.

    Args:
        service: whose collection it is.
        name: of the collection.
        judged: its questions.
        foreign: questions about other things, by default shipped ones that had no say in the calibration.
            Only those in a language that the judged ones are in are put.

    Raises:
        InvalidInput: it cannot be calibrated, or no foreign question is in the language of the judged ones.
    """
    with service.database.read() as connection:
        found = collections.get(connection, name)
        known = calibrations.of_collection(connection, found)
    made = calibrate(service, name, None, known)
    own = [_asked(service, found, made, query.text, judged.judgements[query.id]) for query in judged.queries]
    spoken = {asked.spoken for asked in own}
    texts = [query.text for query in foreign.queries] if foreign else _unused(spoken)
    others = [_asked(service, found, made, text, {}) for text in texts if language_of(text) in spoken]
    if not others:
        raise InvalidInput("no foreign question is in the language of the judged ones")
    return Reliability(
        questions=len(own),
        foreign=len(others),
        foreign_from=foreign.name if foreign else "shipped questions",
        diagram=[Point(claim, _below(others, claim), _below(own, claim)) for claim in CLAIMS],
        usual=_outcome(own, others, dict.fromkeys(sorted(spoken), RELEVANT)),
        refined=cross_fitted(made, own, others),
    )


def _unused(spoken: set[Language]) -> list[str]:
    return [text for one in sorted(spoken) for text in questions(one)[EVERY // 2 :: EVERY]]


def _asked(
    service: Service,
    asked: Collection,
    made: Mapping[Language, Calibration],
    text: str,
    judged: Mapping[str, int],
) -> Asked:
    answer, spoken = attended(service, asked, text), language_of(text)
    answers = {key for key, grade in judged.items() if grade > 0}
    found = [made[spoken].relevance(evidence(hit.parts)) for hit in answer.hits if hit.key in answers]
    return Asked(
        spoken,
        0.0 if answer.evidence is None else made[spoken].relevance(answer.evidence),
        max(found, default=None),
        len(found) / max(len(answers), 1),
    )


def _below(asked: Sequence[Asked], level: float) -> float:
    return sum(one.best < level for one in asked) / len(asked)


def _outcome(own: Sequence[Asked], others: Sequence[Asked], level: Mapping[Language, float]) -> Outcome:
    whole = sum(one.recall for one in own)
    return Outcome(level, _rejected(others, level), _lost(own, level) / whole if whole else 0.0)


def _rejected(others: Sequence[Asked], level: Mapping[Language, float]) -> float:
    return sum(one.best < level[one.spoken] for one in others) / len(others)


def _lost(own: Sequence[Asked], level: Mapping[Language, float]) -> float:
    return sum(one.recall for one in own if one.best < level[one.spoken])


def cross_fitted(
    made: Mapping[Language, Calibration], own: Sequence[Asked], others: Sequence[Asked]
) -> Outcome | None:
    """Return what levels by judged questions do to questions that had no say in them.

    Each tenth of the judged questions is held against levels by the other nine, which is nearly as many as
    a collection's levels are made of; of halves every level would be noisier than the one in use.

    Args:
        made: the calibration by language.
        own: judged questions.
        others: foreign ones.

    Returns:
        The outcome over all folds, its levels those by all judged questions; None where too few of a
        language find their answers.
    """
    spoken = sorted({asked.spoken for asked in own})
    measured = []
    for fold in range(FOLDS):
        level = _levels(made, [asked for place, asked in enumerate(own) if place % FOLDS != fold], spoken)
        if level is None:
            return None
        measured.append((level, own[fold::FOLDS]))
    whole = sum(asked.recall for asked in own)
    lost = sum(_lost(part, level) for level, part in measured)
    rejected = sum(_rejected(others, level) for level, _ in measured) / FOLDS
    return Outcome(_levels(made, own, spoken) or {}, rejected, lost / whole if whole else 0.0)


def _levels(
    made: Mapping[Language, Calibration], judged: Sequence[Asked], spoken: Sequence[Language]
) -> dict[Language, float] | None:
    answers = {
        one: [asked.answer for asked in judged if asked.spoken == one and asked.answer is not None]
        for one in spoken
    }
    if min(map(len, answers.values())) < SCORES_MIN:
        return None
    return {one: refined(made[one], relevances).level for one, relevances in answers.items()}
