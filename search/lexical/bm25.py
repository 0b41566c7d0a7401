"""BM25 exactly as tantivy computes it, for passages that its index does not hold yet.

An acknowledged passage must be found at once and must rank as it will once it is indexed, so it is scored
with tantivy's formula, its quantised lengths and the index's statistics, in the same single precision.
``search/views.py`` lays these scores over those of the index.

A query's distinct terms count once each, here and in the index: on judged collections repeating a word in
a question says nothing (nDCG@10 +.001 on average without).

Sources:
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, section 3.
    tantivy's ``explain``, with which the tests compare every factor.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from search.arrays import Vector

K1 = np.float32(1.2)
B = np.float32(0.75)
ONE = np.float32(1)
HALF = np.float32(0.5)

_EXACT_LENGTHS = 24
"""Lengths below this are stored as they are; above, what is beyond it keeps its first four bits."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 has to know of all passages."""

    documents: int
    """How many passages there are (N)."""
    average_length: float
    """Mean number of terms in a passage."""
    frequencies: Mapping[str, int]
    """Term -> in how many passages it occurs (n), for the terms that were asked about."""


def distinct(terms: Iterable[str]) -> list[str]:
    """Return the terms once each, in the order of their first occurrence."""
    return list(dict.fromkeys(terms))


def statistics_of(terms: Iterable[str], passages_terms: Sequence[Sequence[str]]) -> Statistics:
    """Return the statistics of the passages themselves, about ``terms``."""
    asked = set(terms)
    frequencies = dict.fromkeys(asked, 0)
    for passage in passages_terms:
        for term in asked.intersection(passage):
            frequencies[term] += 1
    count = len(passages_terms)
    average = sum(map(len, passages_terms)) / count if count else 0.0
    return Statistics(count, average, frequencies)


def idf(documents: int, frequency: int) -> np.float32:
    """Return ln(1 + (N - n + .5) / (n + .5)), which is above 0 for every n up to N."""
    odds = (np.float32(documents - frequency) + HALF) / (np.float32(frequency) + HALF)
    return np.float32(log(float(ONE + odds)))


def stored_length(length: int) -> int:
    """Return the length that an index remembers of a passage of ``length`` terms: one byte's worth."""
    beyond = length - _EXACT_LENGTHS
    if beyond < 16:
        return length
    dropped_bits = beyond.bit_length() - 4
    return _EXACT_LENGTHS + (beyond >> dropped_bits << dropped_bits)


def score_passages(
    query_terms: Iterable[str], passages_terms: Sequence[Sequence[str]], statistics: Statistics
) -> Vector:
    """Return the BM25 score of each passage, ``(len(passages_terms),)``; 0 where no term occurs.

    score = sum over distinct terms t of idf(t) (k1 + 1) tf / (tf + k1 (1 - b + b length / average))

    Args:
        query_terms: terms by the analyzer that gave the passages'.
        passages_terms: all terms of each passage.
        statistics: the index's, about ``query_terms``; those of the passages themselves are taken
            where they are of no passage at all.
    """
    if not statistics.documents:
        statistics = statistics_of(query_terms, passages_terms)
    weights = _weights(query_terms, statistics)
    scores = np.zeros(len(passages_terms), dtype=np.float32)
    for row, passage in enumerate(passages_terms):
        if not weights.keys().isdisjoint(passage):
            scores[row] = _score(weights, passage, statistics.average_length)
    return scores


def upper_bound(terms: Iterable[str], statistics: Statistics) -> float:
    """Return the sum over distinct terms of idf (k1 + 1), a score that no passage reaches."""
    return float(sum(_weights(terms, statistics).values()))


def _weights(terms: Iterable[str], statistics: Statistics) -> dict[str, np.float32]:
    known = statistics.frequencies
    return {term: idf(statistics.documents, known.get(term, 0)) * (ONE + K1) for term in terms}


def _score(weights: Mapping[str, np.float32], passage: Sequence[str], average_length: float) -> np.float32:
    norm = K1 * (ONE - B + B * np.float32(stored_length(len(passage))) / np.float32(average_length))
    score = np.float32(0)
    for term, weight in weights.items():
        if times := passage.count(term):
            score += weight * (np.float32(times) / (np.float32(times) + norm))
    return score
