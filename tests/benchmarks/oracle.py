"""A search that cannot be wrong: every row is read, compared in float64 and sorted.

Written against what the scores are said to be and not against the code that computes them fast: cosines of
vectors that have lost their means; BM25 (Robertson and Zaragoza 2009, k1 = 1.2, b = .75) over counts of its
own, with lengths rounded to tantivy's one byte; hybrid as their sum, BM25 divided by the root of its bound,
less, for passages in the question's own language, what the best passage has by words and what that language
is ahead by meaning (the mean of its twenty best less that of the other's; n / (n + 100) of it, n being
the passages of the rarer one).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray
from scipy import sparse

from indexer.service import Service
from indexer.store.collections import Collection
from search.arrays import Ids
from search.centring import passage_mean, query_centre
from search.engine import LEXICAL_WEIGHT
from search.text.language import language

K1, B = 1.2, 0.75
ROUNDING = 5e-6
"""Scores that lie closer may stand in either order: the service keeps them in float32."""

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]

_ROWS = """
    SELECT p.id, p.document_id, p.language, p.title, p.heading, p.text, e.vector
    FROM passages p JOIN embeddings e ON e.passage_id = p.id
    WHERE p.collection_id = :collection ORDER BY p.id
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """The right answer to one search: passages, best first, and everybody's score."""

    ids: Ids
    scores: Numbers


class Oracle:
    """All rows of a collection in memory."""

    def __init__(self, service: Service, collection: Collection) -> None:
        self._encoder = service.models.encoder_of(collection)
        self._analyzer = service.analyzer
        with service.database.read() as connection:
            rows = connection.execute(sa.text(_ROWS), {"collection": collection.id}).all()
        self.ids = np.array([row[0] for row in rows], dtype=np.int64)
        self._documents = np.array([row[1] for row in rows], dtype=np.int64)
        self._languages = np.array([row[2] for row in rows])
        raw = np.frombuffer(b"".join(row[6] for row in rows), dtype="<f4").reshape(len(rows), -1)
        mean = passage_mean(self._encoder.passage_means, float(np.mean(self._languages == "zh")))
        self._vectors = _unit(raw.astype(np.float64) - mean.astype(np.float64))
        self._read_words([" \n ".join(row[3:6]) for row in rows])

    def _read_words(self, texts: Sequence[str]) -> None:
        counted = [Counter(self._analyzer.terms(text)) for text in texts]
        lengths = np.array([count.total() for count in counted], dtype=np.float64)
        self._columns = {term: place for place, term in enumerate(sorted(set().union(*counted)))}
        triples = [
            (row, self._columns[term], times)
            for row, count in enumerate(counted)
            for term, times in count.items()
        ]
        where, terms, times = zip(*triples, strict=True)
        shape = (len(texts), len(self._columns))
        self._times = sparse.csc_array((np.array(times, dtype=np.float64), (where, terms)), shape=shape)
        # The index counts one passage more, of one term: its marker.
        self._total = len(texts) + 1
        average = (lengths.sum() + 1) / self._total
        self._norms = K1 * (1 - B + B * np.array([_kept_length(int(n)) for n in lengths]) / average)

    def answer(self, query: str, mode: str, allowed: Mask, by_document: bool) -> Answer:
        """Return every passage (or the best of each document) that may answer, best first."""
        scores = self._scores(query, mode, allowed)
        keep = allowed & (scores > 0) if mode == "lexical" else allowed
        rows = np.flatnonzero(keep)
        rows = rows[np.lexsort((self.ids[rows], -scores[rows]))]
        if by_document:
            _, first = np.unique(self._documents[rows], return_index=True)
            rows = rows[np.sort(first)]
        return Answer(self.ids[rows], scores[rows])

    def _scores(self, query: str, mode: str, allowed: Mask) -> Numbers:
        if mode == "lexical":
            return self._bm25(query)[0]
        if mode == "dense":
            return self._cosines(query)
        bm25, bound = self._bm25(query)
        words = LEXICAL_WEIGHT * bm25 / sqrt(bound) if bound else bm25
        own = self._languages == language(query)
        cosines = self._cosines(query)
        pools = [np.sort(cosines[allowed & pool])[::-1] for pool in (own, ~own)]
        if not pools[1].size:
            return cosines + words
        fewest = min(pool.size for pool in pools)
        ahead = pools[0][:20].mean() - pools[1][:20].mean() if fewest else 0.0
        return cosines + words - own * (words[allowed].max(initial=0) + ahead * fewest / (fewest + 100))

    def _cosines(self, query: str) -> Numbers:
        centre = query_centre(self._encoder.query_means, language(query)).astype(np.float64)
        vector = self._encoder.encode([query], "query").astype(np.float64) - centre
        return self._vectors @ _unit(vector)[0]

    def _bm25(self, query: str) -> tuple[Numbers, float]:
        scores, bound = np.zeros(self.ids.size), 0.0
        for term in sorted(set(self._analyzer.terms(query))):
            column = self._columns.get(term)
            found = self._times[:, [column]] if column is not None else None
            count = found.nnz if found is not None else 0
            weight = (K1 + 1) * log(1 + (self._total - count + 0.5) / (count + 0.5))
            bound += weight
            if found is not None:
                rows, times = found.indices, found.data
                scores[rows] += weight * times / (times + self._norms[rows])
        return scores, bound

    def rows_of(self, ids: Ids) -> Mask:
        """Return the flags of the passages among ``ids``."""
        return np.isin(self.ids, ids)


def agreement(found: Sequence[int], expected: Answer, limit: int) -> tuple[bool, bool, bool]:
    """Judge an answer: it is as long as it can be, its ids are the expected ones, they are so but for
    the order of passages whose scores differ by rounding alone.
    """  # fmt: skip
    full = len(found) == len(set(found)) == min(limit, expected.ids.size)
    equal = list(found) == expected.ids[:limit].tolist()
    scores = dict(zip(expected.ids[: 2 * limit].tolist(), expected.scores.tolist(), strict=False))
    gaps = [abs(scores.get(passage, np.inf) - expected.scores[place]) for place, passage in enumerate(found)]
    return full, equal, full and max(gaps, default=0.0) <= ROUNDING


def _unit(rows: Numbers) -> Numbers:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _kept_length(length: int) -> int:
    """Return the largest length not above ``length`` that one byte can tell (Lucene's SmallFloat)."""
    if length < 40:
        return length
    shift = (length - 24).bit_length() - 4
    return 24 + ((length - 24) >> shift << shift)
