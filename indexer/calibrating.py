"""Calibrating: a collection is asked questions about other things, so that a score can be told from chance.

The questions are some of those that ship with the program.  They are put as a search would, in mode
attention, and what they find at best is what is usual (``search/relevance.py``).  Done again when the
collection has changed by a quarter, or when something else ranks its answers.  Takes seconds, and needs the
cache lock, so that nothing is made twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlalchemy.engine import Connection

from indexer import expansions, mixes
from indexer.service import Service
from indexer.store import calibrations, collections, passages
from indexer.store.calibrations import StoredCalibration, made_of
from indexer.store.collections import Collection
from indexer.token_states import codec_of
from search.encoders.base import Language, token_encoder
from search.encoders.built_in_texts import LANGUAGES, questions
from search.engine import Answer, Engine
from search.errors import InvalidInput, NotCalibrated
from search.evaluation.judged import Judged
from search.model import SearchRequest
from search.question import prepare
from search.relevance import (
    PASSAGES_MIN,
    SCORES_MIN,
    Calibration,
    calibrated,
    evidence,
    refined,
)
from search.text.language import language as language_of

EVERY = 6
"""Of the shipped questions every sixth is put: a hundred for each language, some seconds."""
HITS = 10
"""On a page of this many the best passage is looked for, and a judged answer counts."""
CHANGED_SHARE = 0.25


class Stopped(Exception):
    """Whoever calibrates was told to stop."""


class Calibrator:
    """Knows which collections are due; costs next to nothing where nothing has changed since it looked."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._seen: dict[int, tuple[int, str]] = {}

    def calibrate(self, found: Collection, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Calibrate a collection where that is due; return whether it was.

        Raises:
            UnknownCollection: the collection was deleted in the meantime.
            NotCalibrated: attention does not rank all answers now.
            StorageFull, StoreBusy: it is not stored.
        """
        encoder = token_encoder(self._service.models.encoder_of(found))
        if encoder is None:
            return False
        with self._service.database.read() as connection:
            now = made_of(connection, found, codec_of(encoder))
            if self._seen.get(found.id) == (found.change_number, now):
                return False
            count = passages.count(connection, found.id)
            known = calibrations.of_collection(connection, found)
        fitting = [one for one in known.values() if one.made_of == now]
        far = any(abs(count - one.passages) > CHANGED_SHARE * one.passages for one in fitting)
        due = count >= PASSAGES_MIN and (far or not fitting)
        if due:
            try:
                calibrate(self._service, found.name, None, known, stopped)
            except Stopped:
                return False
        self._seen[found.id] = (found.change_number, now)
        return due


def calibrate(
    service: Service,
    name: str,
    judged: Judged | None = None,
    known: Mapping[str, StoredCalibration] | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Mapping[Language, Calibration]:
    """Calibrate a collection by shipped questions, and its levels by judged ones where they are given.

    Args:
        service: whose collection it is.
        name: of the collection.
        judged: questions with their answers.
        known: earlier calibrations, whose judged answers keep their say.
        stopped: whether to give up.

    Raises:
        UnknownCollection: there is no such collection, or it was deleted in the meantime.
        InvalidInput: it has too few passages, its encoder has no token states, or too few of the judged
            questions find their answers.
        NotCalibrated: token states are missing or damaged, or what was learned is.
        Stopped: ``stopped`` said so.
    """
    with service.database.read() as connection:
        found = collections.get(connection, name)
    encoder = token_encoder(service.models.encoder_of(found))
    if encoder is None:
        raise InvalidInput("this collection's encoder has no token states, so there is nothing to calibrate")
    with service.database.read() as connection:
        count = passages.count(connection, found.id)
        holds_for = made_of(connection, found, codec_of(encoder))
    if count < PASSAGES_MIN:
        raise InvalidInput(
            f"{name} has {count} passages; of fewer than {PASSAGES_MIN} nothing can be said of what is usual"
        )
    made = {spoken: calibrated(usual_scores(service, found, spoken, stopped)) for spoken in LANGUAGES}
    answers = {} if judged is None else answers_found(service, found, judged)
    enough = {spoken: parts for spoken, parts in answers.items() if len(parts) >= SCORES_MIN}
    if judged is not None and not enough:
        raise InvalidInput(
            f"fewer than {SCORES_MIN} questions of either language find a judged answer; judge more of them"
        )
    said = {spoken: len(parts) for spoken, parts in enough.items()}
    for spoken, answered in enough.items():
        made[spoken] = refined(made[spoken], list(map(made[spoken].relevance, answered)))
    for spoken in LANGUAGES:
        if known and spoken in known and spoken not in enough:
            made[spoken] = replace(made[spoken], level=known[spoken].level)
            said[spoken] = known[spoken].judged
    with service.database.write() as connection:
        calibrations.put(
            connection,
            found,
            made,
            made_of=holds_for,
            passages=count,
            judged=said,
            now=service.clock(),
        )
    return made


def usual_scores(
    service: Service, found: Collection, spoken: Language, stopped: Callable[[], bool]
) -> list[float]:
    """Return what the best passage scores for every sixth of the shipped questions.

    Raises:
        NotCalibrated: attention does not rank now.
        Stopped: ``stopped`` said so.
    """
    scores = []
    for question in questions(spoken)[::EVERY]:
        if stopped():
            raise Stopped
        answer = attended(service, found, question)
        scores += [] if answer.evidence is None else [answer.evidence]
    return scores


def attended(service: Service, found: Collection, question: str) -> Answer:
    """Return a page that answers a question; raise ``NotCalibrated`` where attention does not rank it."""
    encoder = service.models.encoder_of(found)
    request = SearchRequest(question, limit=HITS, mode="attention", highlight=False)
    with service.database.read() as connection:
        mix = mixes.of_collection(connection, found)
    prepared = mixes.asked(prepare(request, encoder, service.analyzer), mix.encoders, service.models)

    def look(engine: Engine, connection: Connection) -> Answer:
        ranker, problem = service.rankers.of(connection, found, encoder)
        expansion = expansions.of_collection(connection, found, mix)
        told = problem or mix.problem or expansion.problem
        if told:
            raise NotCalibrated(f"{found.name} cannot be calibrated: {told}")
        ranking = replace(mix.ranking(engine, ranker), shares=expansion.shares)
        return ranking.answer(prepared, None)

    answer = service.at_one_state(found, look, mix.encoders)
    if answer.mode != "attention":
        raise NotCalibrated(
            f"{found.name} cannot be calibrated before all of its passages have token states that are whole; "
            "`xunyi worker --once` makes them"
        )
    return answer


def answers_found(service: Service, asked: Collection, judged: Judged) -> dict[Language, list[float]]:
    """Return by language the evidence of the best judged answer of each question that has one on its page."""
    found: dict[Language, list[float]] = {spoken: [] for spoken in LANGUAGES}
    for query in judged.queries:
        answers = {key for key, grade in judged.judgements[query.id].items() if grade > 0}
        hits = attended(service, asked, query.text).hits
        told = [evidence(hit.parts) for hit in hits if hit.key in answers]
        if told:
            found[language_of(query.text)].append(max(told))
    return found
