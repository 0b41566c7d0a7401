"""Questions put to a system as a user would put them: what is measured is what a user gets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from indexer.rankers import opened as open_trained
from indexer.service import Service
from indexer.store import collections, passages, rankers
from indexer.store.collections import OWN, Collection
from indexer.store.passages import StoredPassages
from indexer.store.rankers import TrainedRanker
from indexer.systems import ATTENTIONS, RAW, THROUGH_STATES, check_there, fitted_encoder
from search.artifacts import DamagedArtifact
from search.errors import InvalidInput, ModelUnavailable
from search.evaluation.measures import DEPTH
from search.fusion import rank
from search.model import Mode, SearchRequest
from search.parts import DensePart, Pool
from search.ranking.attention import AttentionRanker, Simple
from search.ranking.learned import SIMPLE
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, VectorView


class Question(Protocol):
    """What is asked, and what it is called."""

    @property
    def id(self) -> str:
        """Its name among the others."""
        ...

    @property
    def text(self) -> str:
        """What a user would type."""
        ...


Answerer = Callable[[str], Sequence[str]]
"""The text of a question -> keys of documents, best first."""


@dataclass(frozen=True, slots=True)
class System:
    """A way of answering, and what it is made of."""

    answer: Answerer
    settings: Mapping[str, Any]


def opened(service: Service, collection: str, system: str) -> System:
    """Return a system of a collection.

    Raises:
        UnknownCollection, UnknownEncoder: there is none.
        InvalidInput: the collection was not trained in such attention.
        ModelUnavailable: what was learned is damaged.
    """
    with service.database.read() as connection:
        found = collections.get(connection, collection)
        check_there(connection, found, system)
        encoder = fitted_encoder(system) or OWN
        seen = collections.through(connection, found, encoder)
    made_of = {
        "encoder": seen.encoder,
        "encoder_fingerprint": seen.fingerprint,
        "analyzer": service.analyzer.version,
    }
    if system == RAW:
        return System(_raw(service, seen), {"mode": "dense", **made_of})
    if system in THROUGH_STATES:
        settings = {"mode": "attention", **made_of, "attention": SIMPLE, "attention_fingerprint": None}
        return System(_through(service, collection, encoder, "attention"), settings)
    if encoder != OWN or system == OWN:
        return System(_through(service, collection, encoder, "dense"), {"mode": "dense", **made_of})
    return _by_mode(service, found, system, made_of)


def put_questions(
    answer: Answerer, questions: Sequence[Question], step: Callable[[int], None] = lambda _: None
) -> tuple[dict[str, Sequence[str]], list[float]]:
    """Return question -> keys of its documents, best first, and the seconds that each took.

    Args:
        answer: of a system.
        questions: at least one.
        step: told how many are answered.
    """
    answer(questions[0].text)  # the first search opens what the others find open
    run, seconds = {}, []
    for number, question in enumerate(questions, start=1):
        started = perf_counter()
        run[question.id] = answer(question.text)
        seconds.append(perf_counter() - started)
        step(number)
    return run, seconds


def _by_mode(service: Service, found: Collection, system: str, made_of: Mapping[str, Any]) -> System:
    kind = ATTENTIONS.get(system)
    mode = system if kind is None else "attention"
    trained, ranker = _attention(service, found, kind)

    def answer(text: str) -> list[str]:
        request = SearchRequest(query=text, limit=DEPTH, mode=mode, highlight=False)  # type: ignore[arg-type]
        return [hit.key for hit in service.search(found.name, request, ranker).hits]

    settings: dict[str, Any] = {"mode": mode, **made_of}
    if mode == "attention":
        settings["attention"] = SIMPLE if trained is None else trained.kind
        settings["attention_fingerprint"] = None if trained is None else trained.fingerprint
    return System(answer, settings)


def _attention(
    service: Service, found: Collection, kind: str | None
) -> tuple[TrainedRanker | None, AttentionRanker | None]:
    """Return which learned attention ranks (None: simple), and the ranker to ask (None: the one in use)."""
    if kind == SIMPLE:
        return None, Simple()
    if kind is not None:
        return learned(service, found, kind)
    with service.database.read() as connection:
        return rankers.in_use(connection, found), None


def learned(service: Service, found: Collection, kind: str) -> tuple[TrainedRanker, AttentionRanker]:
    """Return the attention that a collection was last trained to in one kind, whether it is in use or not.

    Returns:
        What is known of it, and itself.

    Raises:
        InvalidInput: it was not trained.
        ModelUnavailable: its files are damaged.
    """
    with service.database.read() as connection:
        trained = rankers.newest(connection, found, kind)
    if trained is None:
        raise InvalidInput(f"{found.name!r} was not trained in {kind} attention")
    try:
        return trained, open_trained(
            service.settings.rankers_folder, trained, service.models.encoder_of(found)
        )
    except DamagedArtifact as damage:
        raise ModelUnavailable(
            f"the learned attention ({kind}) of {found.name!r} is damaged ({damage}); train it again"
        ) from None


def _through(service: Service, collection: str, encoder: str, mode: Mode) -> Answerer:
    """Return what searches through one encoder."""

    def answer(text: str) -> list[str]:
        request = SearchRequest(query=text, limit=DEPTH, mode=mode, encoder=encoder, highlight=False)
        return [hit.key for hit in service.search(collection, request).hits]

    return answer


def _raw(service: Service, found: Collection) -> Answerer:
    """Return what compares raw vectors, as they are now."""
    with service.database.read() as connection:
        blocks = list(passages.vector_blocks(connection, found))
    encoder = service.models.encoder_of(found)
    none = ExactIndex(NO_IDS, np.empty((0, found.dimension), dtype=np.float32))
    rows = none
    if blocks:
        ids, vectors = zip(*blocks, strict=True)
        rows = ExactIndex(np.concatenate(ids), np.concatenate(vectors))
    view = VectorView(rows, none, None, None)

    def answer(text: str) -> list[str]:
        vector = encoder.encode([text], "query")[0]
        with service.database.read() as connection:
            source = StoredPassages(connection, found.encoder_id, None)
            ranking = rank({"dense": DensePart(view, vector, [Pool(None)])}, DEPTH, source.documents_of)
            shown = source.passages([row.passage for row in ranking.rows])
            return [shown[row.passage].key for row in ranking.rows]

    return answer
