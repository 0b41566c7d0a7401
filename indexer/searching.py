"""Searches over one state of a collection: what ``Service.search`` and ``Service.similar`` do.

The question is prepared before the transaction opens.  Inside it, the process's picture of the collection
is brought to that state, the engine ranks, and the rows are read.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Lock
from time import perf_counter, sleep
from typing import Any, TypeVar

from sqlalchemy.engine import Connection

from indexer import examples, expansions, mixes
from indexer.expansions import Expansion, Shares
from indexer.fitted import reads_fields
from indexer.mixes import Mix
from indexer.models import Models
from indexer.rankers import Rankers
from indexer.snapshots import Behind, CollectionPicture, Snapshot
from indexer.store import calibrations, collections
from indexer.store.calibrations import made_of
from indexer.store.collections import Collection
from indexer.store.passages import StoredPassages
from indexer.store.sessions import Database
from indexer.token_states import codec_of
from search.arrays import one_thread_each
from search.encoders.base import Language, token_encoder
from search.engine import Answer, Engine
from search.errors import InvalidInput, NotCalibrated, UnknownCollection, UnknownEncoder
from search.model import SearchRequest, SearchResult, SimilarRequest
from search.question import Question, prepare
from search.ranking.attention import AttentionRanker, Simple
from search.relevance import PASSAGES_MIN, Calibration, evidence
from search.text.analyzer import Analyzer

log = logging.getLogger(__name__)

PATIENCE = 50
PAUSE_SECONDS = 0.02
NOTHING_BESIDE: Mapping[str, Collection] = {}

T = TypeVar("T")


class Replaced(Exception):
    """The collection was deleted and another one has its name."""


class Searching:
    """Answers searches from this process's pictures of the collections; safe for several threads."""

    def __init__(
        self, database: Database, caches: Path, models: Models, analyzer: Analyzer, rankers: Rankers
    ) -> None:
        self._database = database
        self._caches = caches
        self._models = models
        self._analyzer = analyzer
        self._rankers = rankers
        self._pictures: dict[tuple[int, int], CollectionPicture] = {}
        """Collection and encoder -> what this process has opened."""
        self._lock = Lock()
        one_thread_each()

    def search(
        self,
        collection: str,
        request: SearchRequest,
        ranker: AttentionRanker | None = None,
        mix: Mix | None = None,
        shares: Shares | None = None,
    ) -> SearchResult:
        """Answer a search over the rows as they are now, in mode attention by ``ranker`` or ``mix`` if given.

        A given ranker ranks alone.  Questions get further words by ``shares`` if given.

        Raises:
            UnknownCollection: there is no such collection.
            InvalidInput, InvalidFilter: the request is wrong.
        """
        started = perf_counter()
        given = bool(ranker or mix)

        def asked(found: Collection) -> SearchResult:
            if reads_fields(found):
                raise InvalidInput(
                    f"{found.encoder} has no words to ask for: it compares documents by their fields; "
                    f"ask for what is similar to a document, with the encoder {found.encoder}"
                )
            if request.min_relevance is not None and found.kind != "transformer":
                raise InvalidInput(
                    "relevance is known of the scores of a collection's own encoder; leave min_relevance "
                    f"out, or the encoder {found.encoder}"
                )
            question = prepare(request, self._models.encoder_of(found), self._analyzer)
            mixed = self._mixed(found, question, ranker, mix)
            question = mixes.asked(question, mixed.encoders, self._models)

            def answered(engine: Engine, snapshot: Snapshot, connection: Connection) -> SearchResult:
                if shares is None and not given:
                    expansion = expansions.of_collection(connection, found, mixed)
                else:
                    expansion = Expansion(shares or {})
                engine = replace(engine, shares=expansion.shares)
                if question.mode != "attention":
                    return _result(engine.answer(question, snapshot.selection), snapshot)
                encoder = self._models.encoder_of(found)
                chosen, problem = (ranker, None) if ranker else self._rankers.of(connection, found, encoder)
                if not given and not mixed.same(mixes.of_collection(connection, found)):
                    raise Replaced
                answer = mixed.ranking(engine, chosen).answer(question, snapshot.selection)
                result = _result(answer, snapshot)
                problems = [told for told in (problem, mixed.problem, expansion.problem) if told]
                if problems:
                    result = replace(result, degraded=[*result.degraded, *problems])
                usual = not (given or shares or problems) and answer.mode == "attention"
                known = self._calibration(connection, found, question.language) if usual else None
                return _told_relevant(result, answer.evidence, known, request.min_relevance)

            return self._at_one_state(found, request.filter, answered, mixed.encoders)

        result = self._of_collection(collection, asked, request.encoder)
        return replace(result, took_ms=(perf_counter() - started) * 1000)

    def _mixed(
        self, found: Collection, question: Question, ranker: AttentionRanker | None, mix: Mix | None
    ) -> Mix:
        """Return what weighs beside attention: what is given, or else what the collection has."""
        if question.mode != "attention" or (ranker and mix is None):
            return mixes.usual(found)
        if mix is not None:
            return mix
        with self._database.read() as connection:
            return mixes.of_collection(connection, found)

    def similar(self, collection: str, request: SimilarRequest) -> SearchResult:
        """Return what is like the examples of ``like`` and unlike those of ``unlike``.

        Raises:
            UnknownDocument: nothing is stored under one of the keys.
            UnknownPassage: the collection has no passage of one of the ids.
            InvalidInput, InvalidFilter: the request is wrong.
        """
        started = perf_counter()

        def asked(found: Collection) -> SearchResult:
            encoder = self._models.encoder_of(found)
            question = replace(examples.prepared(request, found, encoder), balanced=not reads_fields(found))

            def ranked(engine: Engine, snapshot: Snapshot, connection: Connection) -> SearchResult:
                given = examples.examples_of(connection, found, request)
                answer = examples.answered(engine, snapshot, encoder, given, question)
                return _result(answer, snapshot)

            return self._at_one_state(found, request.filter, ranked)

        result = self._of_collection(collection, asked, request.encoder)
        return replace(result, took_ms=(perf_counter() - started) * 1000)

    def at_one_state(
        self,
        collection: Collection,
        look: Callable[[Engine, Connection], T],
        beside: Mapping[str, Collection] = NOTHING_BESIDE,
    ) -> T:
        """Return what ``look`` sees of one state of a collection, through the encoder that it names.

        Others are ``beside`` it.
        """
        return self._of_collection(
            collection.name,
            lambda found: self._at_one_state(
                found, None, lambda engine, _, connection: look(engine, connection), beside
            ),
            collection.encoder,
        )

    def at_snapshot(
        self, collection: str, encoder: str | None, use: Callable[[Collection, Snapshot, Connection], T]
    ) -> T:
        """Return what ``use`` makes of one state of a collection, through an encoder (by default its own)."""
        return self._of_collection(
            collection,
            lambda found: self._at_one_state(
                found, None, lambda _, snapshot, connection: use(found, snapshot, connection)
            ),
            encoder,
        )

    def _of_collection(self, name: str, ask: Callable[[Collection], T], encoder: str | None = None) -> T:
        """Ask the collection called ``name``, seen through an encoder (by default its own).

        It is asked once more where another took its name meanwhile, or the encoder was fit again.
        """
        while True:
            with self._database.read() as connection:
                found = _seen(connection, name, encoder)
            try:
                return ask(found)
            except Replaced:
                continue

    def _at_one_state(
        self,
        asked: Collection,
        given: Mapping[str, Any] | None,
        use: Callable[[Engine, Snapshot, Connection], T],
        beside: Mapping[str, Collection] = NOTHING_BESIDE,
    ) -> T:
        """Run ``use`` over one state of a collection, in one transaction.

        Raises:
            Replaced: another collection has its name now, perhaps with another encoder.
        """
        for attempt in count():
            with self._database.read() as connection:
                try:
                    found = _seen(connection, asked.name, asked.encoder)
                except UnknownEncoder:
                    raise Replaced from None  # it was the collection's own when the question came
                if (found.id, found.encoder_id) != (asked.id, asked.encoder_id):
                    self.forget(asked)
                    raise Replaced
                further = self._further(connection, found, beside)
                if attempt == PATIENCE:
                    self.forget(found)  # what is remembered is of another past, not of an instant ago
                try:
                    picture = self._picture(connection, found)
                    snapshot = picture.snapshot(connection, found, given, patient=attempt < PATIENCE)
                    pictures = {name: self._picture(connection, seen) for name, seen in further.items()}
                    vectors = {name: pictures[name].vectors(connection, further[name]) for name in further}
                except Behind:
                    pass
                else:
                    views = (snapshot.vectors, snapshot.words, snapshot.languages)
                    source = StoredPassages(connection, found.encoder_id, self._codec(found))
                    weights = mixes.usual(found).weights
                    engine = Engine(*views, source, self._analyzer, Simple(), vectors, weights)
                    told = [problem for each in pictures.values() for problem in each.problems()]
                    snapshot = replace(snapshot, degraded=(*snapshot.degraded, *told))
                    answer = use(engine, snapshot, connection)
                    break
            sleep(PAUSE_SECONDS)
        for each in (picture, *pictures.values()):
            each.report()
        return answer

    def _further(
        self, connection: Connection, found: Collection, beside: Mapping[str, Collection]
    ) -> Mapping[str, Collection]:
        """Return the collection seen through further encoders; raise ``Replaced`` without one of them."""
        if not beside:
            return beside
        seen = mixes.complete_encoders(connection, found)
        for name, asked in beside.items():
            if name not in seen or seen[name].encoder_id != asked.encoder_id:
                raise Replaced
        return {name: seen[name] for name in beside}

    def _calibration(self, connection: Connection, found: Collection, spoken: Language) -> Calibration | None:
        """Return what tells relevance from scores; None where nothing that holds now is known."""
        stored = calibrations.of_collection(connection, found).get(spoken)
        codec = self._codec(found)
        if stored is None or codec is None or stored.made_of != made_of(connection, found, codec):
            return None
        return stored.calibration

    def _codec(self, found: Collection) -> str | None:
        """Return how the token states of a collection's encoder are stored, None where it has none."""
        encoder = token_encoder(self._models.encoder_of(found))
        return None if encoder is None else codec_of(encoder)

    def _picture(self, connection: Connection, found: Collection) -> CollectionPicture:
        encoder = self._models.encoder_of(found)
        key = (found.id, found.encoder_id)
        if key not in self._pictures:
            self._keep_only(collections.living_encoders(connection).__contains__)
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = CollectionPicture(self._database, self._caches, encoder, self._analyzer)
            return self._pictures[key]

    def _keep_only(self, living: Callable[[tuple[int, int]], bool]) -> None:
        """Let go of collections that any process has deleted, and of encoders that were fit again."""
        with self._lock:
            self._pictures = {key: picture for key, picture in self._pictures.items() if living(key)}

    def forget(self, found: Collection) -> None:
        """Let go of what is remembered of a collection that was deleted, or of an encoder fit again."""
        with self._lock:
            self._pictures = {key: picture for key, picture in self._pictures.items() if key[0] != found.id}

    def problems(self, living: Sequence[Collection]) -> list[str]:
        """Return what is out of use in this process, in words; let go of deleted collections."""
        ids = {found.id for found in living}
        self._keep_only(lambda key: key[0] in ids)
        caches = [problem for picture in list(self._pictures.values()) for problem in picture.problems()]
        return [*caches, *self._rankers.problems([found.id for found in living])]

    def warm_up(self, names: Sequence[str]) -> None:
        """Open the models and caches of collections, so that the next search is a quick one."""
        self._analyzer.tokens("ready 准备")
        for name in names:
            try:
                self._of_collection(name, lambda found: self._at_one_state(found, None, lambda *_: None))
            except UnknownCollection:
                continue  # deleted in between


def _seen(connection: Connection, name: str, encoder: str | None) -> Collection:
    """Return a collection as it is seen through an encoder, by default its own."""
    found = collections.get(connection, name)
    return found if encoder is None else collections.through(connection, found, encoder)


def _result(found: Answer, snapshot: Snapshot) -> SearchResult:
    return SearchResult(
        hits=found.hits,
        mode=found.mode,
        exact=found.exact,
        expansion=found.expansion,
        degraded=[*snapshot.degraded, *_waiting(found.waiting), *_damaged(found.damaged)],
        generation=snapshot.vectors.generation,
    )


def _told_relevant(
    result: SearchResult, most: float | None, calibration: Calibration | None, lowest: float | None
) -> SearchResult:
    """Return a result with the relevance of its hits, without those that are less relevant than ``lowest``.

    Args:
        result: without a word about relevance.
        most: the evidence of the best of all candidates, on the page or not.
        calibration: what tells relevance, if it is known.
        lowest: what was asked for, if anything.

    Raises:
        NotCalibrated: a lowest one is given, and nothing is known.
    """
    if calibration is None:
        if lowest is None:
            return result
        raise NotCalibrated(
            "the relevance of answers is not known here yet: a worker finds it out once the collection has "
            f"{PASSAGES_MIN} passages, or `xunyi calibrate` does; leave min_relevance out until then"
        )
    hits = [replace(hit, relevance=calibration.relevance(evidence(hit.parts))) for hit in result.hits]
    kept = [hit for hit in hits if lowest is None or (hit.relevance or 0.0) >= lowest]
    nothing = most is None or calibration.relevance(most) < calibration.level
    return replace(result, hits=kept, nothing_relevant=nothing)


def _waiting(passages: int) -> list[str]:
    if not passages:
        return []
    told = f"{passages} of the best passages have no token states yet, so attention does not rank"
    return [f"{told}; a worker makes them"]


def _damaged(passages: Sequence[int]) -> list[str]:
    """Return that token states are damaged, in words; the log has the passages."""
    if not passages:
        return []
    log.warning("the token states of %d passages are damaged, the first is %d", len(passages), passages[0])
    told = f"the token states of {len(passages)} of the best passages are damaged, so attention does not rank"
    return [f"{told}; `xunyi worker --once` makes them anew"]
