"""A text as the weights of its words: a row with a column for each word of the vocabulary.

The weight of a word in a text is f(count) · weight(word).  The kinds differ in f and in the weights, and in
whether they stop here (``WeightedTerms``) or give each word a vector and add (``ProjectedTerms``).
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from search.arrays import Matrix, unit_rows
from search.encoders.base import Role
from search.encoders.fitted.counted_words import CountedVocabulary, Words
from search.text.analyzer import Analyzer

Weights = NDArray[np.float64]
"""A number for each word of a vocabulary ``(v,)``."""


def weighted_rows(
    passages: Sequence[Words], weights: Weights, count: Callable[[Weights], Weights]
) -> csr_array:
    """Return unit rows ``(len(passages), v)``, float32; a passage without words is a row of zeros."""
    rows = [_row(words, weights, count) for words in passages]
    ends = np.cumsum([0, *(len(columns) for columns, _ in rows)])
    columns = np.concatenate([np.zeros(0, np.int32), *(columns for columns, _ in rows)])
    values = np.concatenate([np.zeros(0, np.float32), *(values for _, values in rows)])
    return csr_array((values, columns, ends), shape=(len(passages), len(weights)))


def _row(
    words: Words, weights: Weights, count: Callable[[Weights], Weights]
) -> tuple[Words, NDArray[np.float32]]:
    columns, counts = np.unique(words, return_counts=True)
    values = count(counts.astype(np.float64)) * weights[columns]
    return columns, (values / np.sqrt(np.sum(values**2))).astype(np.float32)


class WeightedTerms:
    """A ``SparseEncoder`` of unit rows of weights."""

    def __init__(
        self,
        vocabulary: CountedVocabulary,
        analyzer: Analyzer,
        weights: Weights,
        count: Callable[[Weights], Weights],
    ) -> None:
        self._vocabulary = vocabulary
        self._analyzer = analyzer
        self._weights = weights
        self._count = count

    @property
    def dimension(self) -> int:
        """As many as words."""
        return len(self._weights)

    def encode_sparse(self, texts: Sequence[str], role: Role) -> csr_array:
        """Return unit rows ``(len(texts), dimension)``; questions are weighted as passages are."""
        passages = [self._vocabulary.words(self._analyzer.terms(text)) for text in texts]
        return weighted_rows(passages, self._weights, self._count)

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return the same rows with their zeros."""
        dense: Matrix = self.encode_sparse(texts, role).toarray()
        return dense


class ProjectedTerms:
    """A ``FittedEncoder``: the sum of the vectors of a text's words, each times its weight in the text.

    The product runs over the words of one row after the other, so that no row depends on its company.
    """

    def __init__(self, terms: WeightedTerms, vectors: NDArray[np.float32]) -> None:
        """Take the vectors of all words ``(v, dimension)``."""
        self._terms = terms
        self._vectors = vectors

    @property
    def dimension(self) -> int:
        """Length of a word's vector."""
        return int(self._vectors.shape[1])

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``."""
        return unit_rows(self._terms.encode_sparse(texts, role) @ self._vectors)
