"""Measures of retrieval quality, computed by ir-measures so that they mean what they mean elsewhere.

nDCG@10: Järvelin and Kekäläinen, ACM TOIS 20(4), 2002.  RR@10: reciprocal rank of the first answer among
ten.  R@100: share of a question's answers among a hundred.  A question without any hit counts as 0.
"""

from collections.abc import Mapping, Sequence

import ir_measures
from ir_measures import RR, R, ScoredDoc, nDCG

MEASURES = (nDCG @ 10, R @ 100, RR @ 10)
COMPARED = "nDCG@10"
"""By which systems are compared unless another is asked for."""
DEPTH = 100
"""How many documents of each answer are looked at."""

Run = Mapping[str, Sequence[str]]
"""Query id -> document ids, best first."""


def measure(judgements: Mapping[str, Mapping[str, int]], run: Run) -> dict[str, float]:
    """Return name of measure -> mean over all questions of ``run``."""
    return means(by_query(judgements, run))


def means(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return name of measure -> mean of its values, query id -> value."""
    return {name: sum(by_id.values()) / len(by_id) for name, by_id in values.items()}


def by_query(judgements: Mapping[str, Mapping[str, int]], run: Run) -> dict[str, dict[str, float]]:
    """Return name of measure -> query id -> its value."""
    judged = {query: dict(judgements[query]) for query in run}
    # Ranks stand for scores: a provider may break ties between equal scores in its own way.
    scored = [
        ScoredDoc(query, document, float(-place))
        for query, documents in run.items()
        for place, document in enumerate(documents)
    ]
    values = {str(measure): dict.fromkeys(run, 0.0) for measure in MEASURES}
    for value in ir_measures.iter_calc(MEASURES, judged, scored):
        values[str(value.measure)][value.query_id] = value.value
    return values
