"""How fast passages are encoded, against plain sentence-transformers, and what int8 costs in quality.

Both read the same passages, cut as an ingest cuts them, in slices that take turns, so that whatever else the
machine does weighs on both alike.  By default a seeded sample of each collection is encoded, and only the
speed is measured; with ``--all`` every passage is, and dense retrieval with either's vectors is compared
too, each centred by its own means of the shipped texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from search.arrays import Matrix, Vector
from search.centring import centred, passage_mean, query_centre
from search.encoders.assembly import joined_pairs
from search.encoders.base import Role
from search.encoders.built_in_texts import LANGUAGES, passages, questions
from search.encoders.catalog import DEFAULT_ENCODER, open_encoder
from search.evaluation.judged import Judged, read_judged
from search.evaluation.measures import DEPTH, measure
from search.text.language import language
from tests.benchmarks.judged_passages import JudgedPassage, passages_of
from tests.benchmarks.plain_model import BATCH, PlainModel
from tests.benchmarks.report import Options, Outcome, Target

RATIO_MIN = 3.0
LOSS_MAX = 0.005
SAMPLE_PASSAGES = 400
SLICES = 4
SEED = 9


class Model(Protocol):
    """What both models do."""

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Passages of one collection by one model."""

    rows: Matrix
    seconds: float


def run(options: Options) -> Outcome:
    """Encode the passages of every collection with both models."""
    served = open_encoder(DEFAULT_ENCODER, options.models, print)
    models: dict[str, Model] = {"served": served, "plain": PlainModel()}
    told: dict[str, Any] = {}
    for folder in options.data:
        judged = read_judged(folder)
        cut = _sample(passages_of(judged, served.tokenizer), options.everything)
        encoded = _encoded(models, [passage.text for passage in cut])
        tokens = [served.tokenizer.count(passage.text) for passage in cut]
        told[judged.name] = _speeds(encoded, tokens)
        if options.everything:
            told[judged.name]["nDCG@10"] = {
                name: _ndcg(model, judged, cut, encoded[name].rows) for name, model in models.items()
            }
            print(f"  {judged.name}: {told[judged.name]}", flush=True)
    return Outcome(
        settings={
            "sample": None if options.everything else SAMPLE_PASSAGES,
            "slices": SLICES,
            "batch": BATCH,
        },
        measured={"collections": told, "all": _total(told)},
        targets=list(_targets(told)),
    )


def _sample(cut: Sequence[JudgedPassage], everything: bool) -> Sequence[JudgedPassage]:
    if everything or len(cut) <= SAMPLE_PASSAGES:
        return cut
    chosen = np.random.default_rng(SEED).choice(len(cut), SAMPLE_PASSAGES, replace=False)
    return [cut[place] for place in np.sort(chosen)]


def _encoded(models: Mapping[str, Model], texts: Sequence[str]) -> dict[str, Encoded]:
    """Let the models take turns; both have read something before the clock starts."""
    rows: dict[str, list[Matrix]] = {name: [] for name in models}
    seconds = dict.fromkeys(models, 0.0)
    for model in models.values():
        model.encode(texts[:BATCH], "passage")
    for part in np.array_split(np.arange(len(texts)), SLICES):
        for name, model in models.items():
            started = perf_counter()
            rows[name].append(model.encode([texts[place] for place in part], "passage"))
            seconds[name] += perf_counter() - started
    return {name: Encoded(np.concatenate(rows[name]), seconds[name]) for name in models}


def _speeds(encoded: Mapping[str, Encoded], tokens: Sequence[int]) -> dict[str, Any]:
    served, plain = encoded["served"], encoded["plain"]
    return {
        "passages": len(tokens),
        "mean_tokens": float(np.mean(tokens)),
        "served_seconds": served.seconds,
        "plain_seconds": plain.seconds,
        "served_passages_per_second": len(tokens) / served.seconds,
        "plain_passages_per_second": len(tokens) / plain.seconds,
        "ratio": plain.seconds / served.seconds,
        "mean_cosine": float((served.rows * plain.rows).sum(axis=1).mean()),
    }


def _total(told: Mapping[str, Any]) -> dict[str, float]:
    seconds = {name: sum(row[f"{name}_seconds"] for row in told.values()) for name in ("served", "plain")}
    return {
        "passages": sum(row["passages"] for row in told.values()),
        "ratio": seconds["plain"] / seconds["served"],
    }


def _ndcg(model: Model, judged: Judged, cut: Sequence[JudgedPassage], rows: Matrix) -> float:
    """Return nDCG@10 of plain dense retrieval: cosines of centred vectors, a document by its best passage."""
    chinese = float(np.mean([language(passage.text) == "zh" for passage in cut]))
    means = {name: _mean(model, joined_pairs(passages(name)), "passage") for name in LANGUAGES}
    query_means = {name: _mean(model, questions(name), "query") for name in LANGUAGES}
    compared = centred(rows, passage_mean(means, chinese))
    raw = model.encode([query.text for query in judged.queries], "query")
    run = {}
    for query, vector in zip(judged.queries, raw, strict=True):
        moved = centred(vector[None, :], query_centre(query_means, language(query.text)))[0]
        run[query.id] = _documents(cut, compared @ moved)
    return measure(judged.judgements, run)["nDCG@10"]


def _mean(model: Model, texts: Sequence[str], role: Role) -> Vector:
    mean: Vector = model.encode(texts, role).mean(axis=0)
    return mean


def _documents(cut: Sequence[JudgedPassage], scores: Vector) -> list[str]:
    """Return the documents of the best passages, each once, best first."""
    best = dict.fromkeys(cut[place].document for place in np.argsort(-scores, kind="stable"))
    return list(best)[:DEPTH]


def _targets(told: Mapping[str, Any]) -> Iterator[Target]:
    yield Target(
        "passages a second against plain sentence-transformers", _total(told)["ratio"], RATIO_MIN, False
    )
    for name, row in told.items():
        if "nDCG@10" in row:
            loss = row["nDCG@10"]["plain"] - row["nDCG@10"]["served"]
            yield Target(f"{name}: dense nDCG@10 lost by int8", loss, LOSS_MAX)
