"""BM25 exactly as tantivy computes it, for passages that its index does not hold yet.

An acknowledged passage must be found at once and must rank as it will once it is indexed, so it is scored
with tantivy's formula, its quantised lengths and the index's statistics, in the same single precision.
``search/views.py`` lays these scores over those of the index.

A query's distinct terms count once each, here and in the index: on judged collections repeating a word in
a question says nothing (nDCG@10 +.001 on average without).  Terms that come with weights count as much as
those say.

Sources:
    Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009, section 3.
    tantivy's ``explain``, with which the tests compare every factor.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from search.arrays import Vector

K1 = np.float32(1.2)
B = np.float32(0.75)
ONE = np.float32(1)
HALF = np.float32(0.5)

Terms = Sequence[str] | Mapping[str, float]
"""The terms of a query, which weigh 1 each, or term -> what it weighs (above 0)."""

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


def weighted(terms: Terms) -> Mapping[str, float]:
    """Return what each distinct term of a query weighs, in the order of their first occurrence."""
    return terms if isinstance(terms, Mapping) else dict.fromkeys(terms, 1.0)


@dataclass(frozen=True, slots=True)
class CountedPassages:
    """Passages as BM25 sees them, ready to be asked again and again."""

    counts: Sequence[Mapping[str, int]]
    """Of each passage: term -> how often it occurs."""
    lengths: NDArray[np.int64]
    """How many terms each has."""

    @staticmethod
    def of(passages_terms: Sequence[Sequence[str]]) -> "CountedPassages":
        """Count the terms of passages."""
        lengths = np.array([len(terms) for terms in passages_terms], dtype=np.int64)
        return CountedPassages([Counter(terms) for terms in passages_terms], lengths)

    def statistics(self, terms: Iterable[str]) -> Statistics:
        """Return the statistics of these passages themselves, about ``terms``."""
        frequencies = {term: sum(term in counts for counts in self.counts) for term in distinct(terms)}
        average = float(self.lengths.mean()) if self.counts else 0.0
        return Statistics(len(self.counts), average, frequencies)

    def scores(self, query_terms: Terms, statistics: Statistics) -> Vector:
        """Return the BM25 score of each passage; see ``score_passages``."""
        scores = np.zeros(len(self.counts), dtype=np.float32)
        if not statistics.average_length:
            return scores  # no passage has a term
        stored = np.array([stored_length(length) for length in self.lengths.tolist()], dtype=np.float32)
        norms = K1 * (ONE - B + B * stored / np.float32(statistics.average_length))
        for term, weight in _weights(query_terms, statistics).items():
            times = np.array([counts.get(term, 0) for counts in self.counts], dtype=np.float32)
            scores += weight * (times / (times + norms))  # exactly 0 where the term does not occur
        return scores


def statistics_of(terms: Iterable[str], passages_terms: Sequence[Sequence[str]]) -> Statistics:
    """Return the statistics of the passages themselves, about ``terms``."""
    return CountedPassages.of(passages_terms).statistics(terms)


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
    query_terms: Terms, passages_terms: Sequence[Sequence[str]], statistics: Statistics
) -> Vector:
    """Return the BM25 score of each passage, ``(len(passages_terms),)``; 0 where no term occurs.

    score = sum over distinct terms t of weight(t) idf(t) (k1 + 1) tf / (tf + k1 (1 - b + b length / average))

    Args:
        query_terms: by the analyzer that gave the passages'.
        passages_terms: all terms of each passage.
        statistics: the index's, about ``query_terms``; those of the passages themselves are taken
            where they are of no passage at all.
    """
    passages = CountedPassages.of(passages_terms)
    if not statistics.documents:
        statistics = passages.statistics(query_terms)
    return passages.scores(query_terms, statistics)


def upper_bound(terms: Terms, statistics: Statistics) -> float:
    """Return the sum over distinct terms of weight idf (k1 + 1), a score that no passage reaches."""
    return float(sum(_weights(terms, statistics).values()))


def _weights(terms: Terms, statistics: Statistics) -> dict[str, np.float32]:
    known = statistics.frequencies
    return {
        term: idf(statistics.documents, known.get(term, 0)) * (ONE + K1) * np.float32(weight)
        for term, weight in weighted(terms).items()
    }
