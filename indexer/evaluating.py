"""``xunyi evaluate``: ingest a judged collection, put every question to every system, measure.

Documents go in by the ordinary ingest and questions by the ordinary search, so what is measured is what a
user gets.  The query means are those that ship with the encoder, never made from the evaluated questions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from indexer.asking import Answerer, learned, opened, put_questions
from indexer.expanding import tested
from indexer.expansions import Shares
from indexer.fitted import kinds_of_text
from indexer.fitting import fit
from indexer.ingest import ingest_paths
from indexer.judged_questions import drawn
from indexer.known_answers import Asked
from indexer.learning import train as training
from indexer.mixes import USUAL, Mix, complete_encoders
from indexer.mixing import cross_validated, fitted, gathered
from indexer.records import IngestSummary
from indexer.service import Service
from indexer.store import collections, rankers
from indexer.systems import ATTENTIONS, EXPANSIONS, MIX, fitted_encoder
from search.errors import InvalidInput, ModelUnavailable
from search.evaluation.formats import Query
from search.evaluation.judged import Judged, JudgedCollection
from search.evaluation.measures import COMPARED, DEPTH, by_query, means, measure
from search.evaluation.paired import p_values
from search.model import Mode, SearchRequest
from search.ranking.learned import LEARNED

COLLECTION = "evaluation"


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
    expanded: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """System with further words -> what they weigh in each fold, of all words."""


def check_field(judged: Judged, field: str | None) -> None:
    """Raise ``InvalidInput`` for a field to group by that no judged question has."""
    if field is None or any(query.facts.get(field) is not None for query in judged.queries):
        return
    known = sorted({name for query in judged.queries for name in query.facts})
    others = f"group by one of: {', '.join(known)}" if known else "they have none to group by; leave --by out"
    raise InvalidInput(f"no judged question has the field {field!r}; {others}", field=field)


def evaluate(
    service: Service,
    judged: JudgedCollection,
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
    expanded: dict[str, Sequence[float]] = {}
    for system in systems:
        if system == MIX:
            answer, folds = _mix_answerer(
                service, judged, [name for name in systems if name in kinds_of_text()], note
            )
        elif system in EXPANSIONS:
            answer, expanded[system] = _expanded_answerer(service, judged, EXPANSIONS[system])
            note(f"{system}: further words weigh {', '.join(map(str, expanded[system]))} of all in the folds")
        else:
            tested = made_ready(service, system, note)
            if tested is not None:
                trained[system] = tested
            answer = opened(service, COLLECTION, system).answer
        runs, seconds = put_questions(answer, judged.queries)
        values = by_query(judged.judgements, runs)
        measured[system] = means(values) | {"ms_per_query_p50": median(seconds) * 1000}
        gains[system] = values[COMPARED]
        for group, queries in grouped.items():
            part = {query.id: runs[query.id] for query in queries}
            groups.setdefault(group, {})[system] = measure(judged.judgements, part)
        note(f"{system}: nDCG@10 {measured[system]['nDCG@10']:.4f}")
    rates = _rates(summary, documents)
    chances = p_values(gains)
    found = Evaluation(
        judged.name, documents, len(judged.queries), measured, rates, chances, trained, folds, expanded
    )
    return found, groups


def _rates(summary: IngestSummary, documents: int) -> dict[str, float]:
    return {"seconds": summary.seconds, "documents_per_second": documents / max(summary.seconds, 1e-9)}


def _grouped(queries: Sequence[Query], field: str) -> dict[str, list[Query]]:
    groups: dict[str, list[Query]] = {}
    for query in queries:
        if query.facts.get(field) is not None:
            groups.setdefault(str(query.facts[field]), []).append(query)
    return groups


def made_ready(service: Service, system: str, note: Callable[[str], None]) -> Mapping[str, Any] | None:
    """Fit or train what a system needs and the collection lacks; return the test of learned attention.

    It learns from the texts alone and does not come into use: learned from the judged questions, its figures
    would say nothing.
    """
    kind, encoder = ATTENTIONS.get(system), fitted_encoder(system)
    if encoder is not None:
        summary = fit(service, COLLECTION, encoder)
        note(f"{encoder}: {summary.dimension} dimensions, fit in {summary.seconds:.0f} s")
    if kind not in LEARNED:
        return None
    with service.database.read() as connection:
        collection = collections.get(connection, COLLECTION)
    try:
        learned(service, collection, kind)
    except InvalidInput:
        note(training(service, COLLECTION, kind, use=False).reason)
    except ModelUnavailable as damage:
        note(f"{kind} is trained again: {damage}")
        note(training(service, COLLECTION, kind, use=False).reason)
    with service.database.read() as connection:
        trained = rankers.newest(connection, collection, kind)
    return None if trained is None else {"adopted": trained.adopted, **trained.figures}


def _expanded_answerer(service: Service, judged: Judged, mode: Mode) -> tuple[Answerer, Sequence[float]]:
    """Return a mode with further words, and what they weigh in each fold, of all words.

    Each question is answered by the share that was chosen without it.
    """
    with service.database.read() as connection:
        collection = collections.get(connection, COLLECTION)
    told = drawn(service, collection, judged, 0, "choose a weight of further words by")
    found = tested(
        service, collection, USUAL, mode, {query.id: Asked(query.text, answers) for query, answers in told}, 0
    )
    chosen = found.folds
    everywhere = found.best(list(found.fold_of))
    share_of = {
        query.text: chosen[found.fold_of[query.id]] if query.id in found.fold_of else everywhere
        for query in judged.queries
    }

    def answer(text: str) -> list[str]:
        shares: Shares = {mode: share_of[text]} if share_of[text] else {}
        request = SearchRequest(query=text, limit=DEPTH, mode=mode, highlight=False)
        return [hit.key for hit in service.search(COLLECTION, request, shares=shares).hits]

    return answer, chosen


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
        Mix(weights, encoders={name: seen for name, seen in encoders.items() if name in weights})
        for weights in (*validated.folds, fitted(looks))
    ]

    fold_of = {query.text: validated.fold_of.get(query.id, -1) for query in judged.queries}

    def answer(text: str) -> list[str]:
        mix = weighed[fold_of[text]]  # -1: nothing was fitted on a question without an answer
        request = SearchRequest(query=text, limit=DEPTH, mode="attention", highlight=False)
        return [hit.key for hit in service.search(COLLECTION, request, mix=mix).hits]

    for number, fold in enumerate(validated.folds, start=1):
        told = ", ".join(f"{name} {weight:.3f}" for name, weight in fold.items())
        note(f"mix, fold {number}: attention 1, {told}")
    return answer, validated.folds
