"""Bottleneck of a feed-forward network that was trained to rebuild TF-IDF rows through it.

Hinton and Salakhutdinov, "Reducing the dimensionality of data with neural networks", Science 313, 2006;
with words dropped from what it reads, Vincent et al., ICML 2008.  Here only the encoder half:

``x(t) = (1 + ln tf(t)) * idf(t)``, scaled to unit length; ``z = tanh(W x + b)``; the vector is ``z - mean``,
scaled to unit length, with ``mean`` the bottleneck's mean over the collection.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from search.arrays import Matrix, Vector, unit_rows
from search.encoders.base import Role
from search.encoders.fitted.tensors import Weights, read_weights
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer


def tfidf_entries(numbers: Sequence[int], idf: Vector) -> tuple[list[int], Vector]:
    """Return the columns of a TF-IDF row that are not zero, rising, and its numbers there, of unit length."""
    counts = sorted(Counter(numbers).items())
    columns = [column for column, _ in counts]
    frequencies = np.array([count for _, count in counts], dtype=np.float32)
    values = (1 + np.log(frequencies)) * idf[columns]
    return columns, values / np.linalg.norm(values)


class Autoencoder:
    """The encoder half of a trained autoencoder."""

    def __init__(self, vocabulary: Vocabulary, weights: Weights, analyzer: Analyzer) -> None:
        """Take ``idf (terms,)``, ``weight (terms, d)``, ``bias (d,)`` and ``mean (d,)``."""
        self._vocabulary = vocabulary
        self._weights = weights
        self._analyzer = analyzer

    @property
    def dimension(self) -> int:
        """Width of the bottleneck."""
        return len(self._weights["bias"])

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``, zeros for a text without a known word."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            numbers = self._vocabulary.numbers(self._analyzer.terms(text))
            if numbers:
                row[:] = self._bottleneck(numbers) - self._weights["mean"]
        return unit_rows(rows)

    def _bottleneck(self, numbers: Sequence[int]) -> Vector:
        columns, values = tfidf_entries(numbers, self._weights["idf"])
        z: Vector = np.tanh(values @ self._weights["weight"][columns] + self._weights["bias"])
        return z


def open_autoencoder(folder: Path, analyzer: Analyzer) -> Autoencoder:
    """Open what ``fit_autoencoder`` wrote."""
    return Autoencoder(Vocabulary.read(folder), read_weights(folder), analyzer)
