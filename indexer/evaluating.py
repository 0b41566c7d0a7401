"""``xunyi evaluate``: ingest a judged collection, put every question to every system, measure.

Documents go in by the ordinary ingest and questions by the ordinary search, so what is measured is what a
user gets.  The query means are those that ship with the encoder, never made from the evaluated questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from indexer.fitted import kinds
from indexer.fitting import fit
from indexer.ingest import ingest_paths
from indexer.learning import train as training
from indexer.mixes import Mix, complete_encoders
from indexer.mixing import cross_validated, fitted, gathered
from indexer.rankers import opened as open_trained
from indexer.records import IngestSummary
from indexer.service import Service
from indexer.store import collections, passages, rankers
from indexer.store.collections import OWN
from indexer.store.passages import StoredPassages
from search.artifacts import DamagedArtifact
from search.errors import InvalidInput
from search.evaluation.judged import Judged, Query
from search.evaluation.measures import DEPTH, by_query, means, measure
from search.evaluation.paired import p_value
from search.fusion import rank
from search.model import MODES, SearchRequest
from search.parts import DensePart, Pool
from search.ranking.attention import AttentionRanker, Simple
from search.ranking.learned import KINDS, LEARNED, SIMPLE
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, VectorView

RAW = "dense:raw"
ATTENTIONS = {f"attention:{kind}": kind for kind in KINDS}
MIX = "mix"
SYSTEMS = (*MODES, *ATTENTIONS, RAW, *kinds(), OWN, MIX)
COLLECTION = "evaluation"
COMPARED = "nDCG@10"

Answerer = Callable[[Query], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What ``evaluate`` found; ``systems`` maps a system to its measures."""

    collection: str
    documents: int
    queries: int
    systems: Mapping[str, Mapping[str, float]]
    ingest: Mapping[str, float]
    p_values: Mapping[str, Mapping[str, float]]
    """System -> other system -> how likely chance alone makes such a difference of nDCG@10."""
    trained: Mapping[str, Mapping[str, Any]]
    """System of learned attention -> whether its own test would let it into use, and its figures."""
    mixed: Sequence[Mapping[str, float]] = ()
    """What weighs beside attention in each fold; a question is answered by the fold without it."""


def checked_systems(names: str) -> list[str]:
    """Return the systems of a comma-separated list; raise ``InvalidInput`` for one that is unknown."""
    systems = [name.strip() for name in names.split(",")]
    for system in systems:
        if system not in SYSTEMS:
            raise InvalidInput(f"there is no system {system!r}; choose among: {', '.join(SYSTEMS)}")
    return list(dict.fromkeys(systems))


def check_field(judged: Judged, field: str | None) -> None:
    """Raise ``InvalidInput`` for a field to group by that no judged question has."""
    if field is None or any(query.facts.get(field) is not None for query in judged.queries):
        return
    known = sorted({name for query in judged.queries for name in query.facts})
    others = f"group by one of: {', '.join(known)}" if known else "they have none to group by; leave --by out"
    raise InvalidInput(f"no judged question has the field {field!r}; {others}", field=field)


def evaluate(
    service: Service,
    judged: Judged,
    systems: Sequence[str],
    encoder: str | None,
    group_by: str | None,
    note: Callable[[str], None],
) -> tuple[Evaluation, dict[str, Any]]:
    """Return the measures of every system, and the same by the questions' field ``group_by``.

    Args:
        service: of a home that holds nothing but this collection, or will.
        judged: documents, questions and judgements.
        systems: see ``SYSTEMS``.
        encoder: of the collection; the default one if None.
        group_by: a field of the questions' lines, such as ``direction``; None for no groups.  Questions
            without it are in no group.
        note: told about each step.
    """
    grouped = {} if group_by is None else _grouped(judged.queries, group_by)
    ungrouped = len(judged.queries) - sum(map(len, grouped.values())) if grouped else 0
    if ungrouped:
        note(f"{ungrouped} of {len(judged.queries)} questions have no field {group_by!r} and are in no group")
    service.ensure_collection(COLLECTION, encoder)
    summary = ingest_paths(service, COLLECTION, [judged.corpus])
    documents = service.collection(COLLECTION).documents
    note(f"{documents} documents in {summary.seconds:.0f} s; {len(summary.problems)} refused")
    measured: dict[str, dict[str, float]] = {}
    groups: dict[str, Any] = {}
    gains: dict[str, dict[str, float]] = {}
    trained: dict[str, Mapping[str, Any]] = {}
    folds: Sequence[Mapping[str, float]] = ()
    for system in systems:
        if system == MIX:
            answer, folds = _mix_answerer(
                service, judged, [name for name in systems if name in kinds()], note
            )
        else:
            answer, learned = answerer(service, system, note)
            if learned is not None:
                trained[system] = learned
        runs, seconds = _run(answer, judged.queries)
        values = by_query(judged.judgements, runs)
        measured[system] = means(values) | {"ms_per_query_p50": median(seconds) * 1000}
        gains[system] = values[COMPARED]
        for group, queries in grouped.items():
            part = {query.id: runs[query.id] for query in queries}
            groups.setdefault(group, {})[system] = measure(judged.judgements, part)
        note(f"{system}: nDCG@10 {measured[system]['nDCG@10']:.4f}")
    rates = _rates(summary, documents)
    compared = _compared(gains)
    found = Evaluation(judged.name, documents, len(judged.queries), measured, rates, compared, trained, folds)
    return found, groups


def _compared(gains: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {system: {} for system in gains}
    for one, other in combinations(gains, 2):
        found[one][other] = found[other][one] = p_value(gains[one], gains[other])
    return found


def _rates(summary: IngestSummary, documents: int) -> dict[str, float]:
    return {"seconds": summary.seconds, "documents_per_second": documents / max(summary.seconds, 1e-9)}


def _run(answer: Answerer, queries: Sequence[Query]) -> tuple[dict[str, Sequence[str]], list[float]]:
    answer(queries[0])  # the first search opens what the others find open
    run, seconds = {}, []
    for query in queries:
        started = perf_counter()
        run[query.id] = answer(query)
        seconds.append(perf_counter() - started)
    return run, seconds


def _grouped(queries: Sequence[Query], field: str) -> dict[str, list[Query]]:
    groups: dict[str, list[Query]] = {}
    for query in queries:
        if query.facts.get(field) is not None:
            groups.setdefault(str(query.facts[field]), []).append(query)
    return groups


def answerer(
    service: Service, system: str, note: Callable[[str], None]
) -> tuple[Answerer, Mapping[str, Any] | None]:
    """Return what answers a question with keys of documents, best first, and the test of what it learned."""
    if system == RAW:
        return _raw_answerer(service), None
    if system in (*kinds(), OWN):
        return _encoder_answerer(service, system, note), None
    kind = ATTENTIONS.get(system)
    ranker: AttentionRanker | None = Simple() if kind == SIMPLE else None
    learned = None
    if kind in LEARNED:
        ranker, learned = _learned(service, kind, note)
    mode = system if kind is None else "attention"

    def answer(query: Query) -> list[str]:
        request = SearchRequest(query=query.text, limit=DEPTH, mode=mode, highlight=False)  # type: ignore[arg-type]
        return [hit.key for hit in service.search(COLLECTION, request, ranker).hits]

    return answer, learned


def _learned(
    service: Service, kind: str, note: Callable[[str], None]
) -> tuple[AttentionRanker, Mapping[str, Any]]:
    """Return a learned attention and its test; one that is not there is trained first, and not used.

    It learns from the texts alone: learned from the judged questions, its figures would say nothing.
    """
    with service.database.read() as connection:
        collection = collections.get(connection, COLLECTION)
        trained = rankers.newest(connection, collection, kind)
    encoder = service.models.encoder_of(collection)
    if trained is not None:
        try:
            ranker = open_trained(service.settings.rankers_folder, trained, encoder)
            return ranker, {"adopted": trained.adopted, **trained.figures}
        except DamagedArtifact as damage:
            note(f"{kind} is trained again: {damage}")
    note(training(service, COLLECTION, kind, use=False).reason)
    return _learned(service, kind, note)


def _mix_answerer(
    service: Service, judged: Judged, named: Sequence[str], note: Callable[[str], None]
) -> tuple[Answerer, Sequence[Mapping[str, float]]]:
    """Return a system of parts and encoders beside attention, and what they weigh in each fold.

    Each question is answered by weights that were fitted without it.  The encoders are those that are
    ``named`` (fit first where they are not there) and those that the collection has.
    """
    for encoder in named:
        fit(service, COLLECTION, encoder)
    with service.database.read() as connection:
        collection = collections.get(connection, COLLECTION)
        encoders = complete_encoders(connection, collection)
    looks, _ = gathered(service, collection, judged, 0)
    validated = cross_validated(looks, 0)
    weighed = [
        Mix(weights, {name: seen for name, seen in encoders.items() if name in weights})
        for weights in (*validated.folds, fitted(looks))
    ]

    def answer(query: Query) -> list[str]:
        mix = weighed[validated.fold_of.get(query.id, -1)]  # nothing was fitted on one without an answer
        request = SearchRequest(query=query.text, limit=DEPTH, mode="attention", highlight=False)
        return [hit.key for hit in service.search(COLLECTION, request, mix=mix).hits]

    for number, fold in enumerate(validated.folds, start=1):
        told = ", ".join(f"{name} {weight:.3f}" for name, weight in fold.items())
        note(f"mix, fold {number}: attention 1, {told}")
    return answer, validated.folds


def _encoder_answerer(service: Service, encoder: str, note: Callable[[str], None]) -> Answerer:
    """Return a system that compares meaning by one encoder, fit first where it is a kind that is fit."""
    if encoder != OWN:
        summary = fit(service, COLLECTION, encoder)
        note(f"{encoder}: {summary.dimension} dimensions, fit in {summary.seconds:.0f} s")

    def answer(query: Query) -> list[str]:
        request = SearchRequest(query=query.text, limit=DEPTH, mode="dense", encoder=encoder, highlight=False)
        return [hit.key for hit in service.search(COLLECTION, request).hits]

    return answer


def _raw_answerer(service: Service) -> Answerer:
    """Return a system of plain cosines between raw vectors, to see what centring is worth."""
    with service.database.read() as connection:
        collection = collections.get(connection, COLLECTION)
        blocks = list(passages.vector_blocks(connection, collection))
    encoder = service.models.encoder_of(collection)
    rows = ExactIndex(
        np.concatenate([ids for ids, _ in blocks]), np.concatenate([rows for _, rows in blocks])
    )
    tail = ExactIndex(NO_IDS, np.empty((0, collection.dimension), dtype=np.float32))
    view = VectorView(rows, tail, None, None)

    def answer(query: Query) -> list[str]:
        vector = encoder.encode([query.text], "query")[0]
        with service.database.read() as connection:
            source = StoredPassages(connection, collection.encoder_id, None)
            ranking = rank({"dense": DensePart(view, vector, [Pool(None)])}, DEPTH, source.documents_of)
            found = source.passages([row.passage for row in ranking.rows])
            return [found[row.passage].key for row in ranking.rows]

    return answer
