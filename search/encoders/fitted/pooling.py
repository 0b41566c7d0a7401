"""From a state per word to one vector per text: a weighted mean, less what all texts share.

Arora et al., "A simple but tough-to-beat baseline for sentence embeddings", ICLR 2017, algorithm 1; the
weights are those of ``sif.py``.

A state is the word's own unit vector and what the network has read around it, ``s_t = e_t + r_t``
with ``r_t = P h_t``, or where a ``reach`` was learned with, ``r_t = P h_t min(1, reach / |P h_t|)``.
"""

from collections.abc import Callable, Sequence

import numpy as np

from search.arrays import Matrix, States, Vector, unit_rows
from search.encoders.base import Role, TokenStates
from search.encoders.fitted.tensors import Weights
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer

Context = Callable[[States], States]
"""From word vectors ``(n, d)`` in reading order to what a network makes of each in its place, ``(n, h)``."""


class PooledEncoder:
    """Weighted mean of the states of a text's known words."""

    def __init__(
        self, vocabulary: Vocabulary, weights: Weights, context: Context, analyzer: Analyzer
    ) -> None:
        """Take ``words (terms, d)``, ``importance (terms,)``, ``projection (h, d)``, ``mean (d,)``.

        Without a ``reach (1,)`` beside them, what is read around a word may be of any length.
        """
        self._vocabulary = vocabulary
        self._weights = weights
        self._context = context
        self._analyzer = analyzer

    @property
    def dimension(self) -> int:
        """Length of every vector and state."""
        return len(self._weights["mean"])

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``, zeros for a text without a known word."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            numbers = self._vocabulary.numbers(self._analyzer.terms(text))
            if numbers:
                row[:] = self.pooled(numbers) - self._weights["mean"]
        return unit_rows(rows)

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return the rows of ``encode(texts, role)`` and a state per known word of each, by one reading."""
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        read = []
        for row, text in zip(rows, texts, strict=True):
            tokens = [token for token in self._analyzer.tokens(text) if token.term in self._vocabulary]
            spans = np.array([(token.start, token.end) for token in tokens], dtype=np.int32).reshape(-1, 2)
            states = np.zeros((0, self.dimension), dtype=np.float32)
            if tokens:
                numbers = self._vocabulary.numbers(token.term for token in tokens)
                states = self._states(numbers)
                row[:] = self._pool(numbers, states) - self._weights["mean"]
            read.append(TokenStates(states, spans))
        return unit_rows(rows), read

    def pooled(self, numbers: Sequence[int]) -> Vector:
        """Return the unit mean ``(d,)`` of the states of at least one word."""
        return self._pool(numbers, self._states(numbers))

    def _pool(self, numbers: Sequence[int], states: States) -> Vector:
        total: Vector = self._weights["importance"][numbers] @ states
        row: Vector = unit_rows(total[None])[0]
        return row

    def _states(self, numbers: Sequence[int]) -> States:
        words = self._weights["words"][numbers]
        around = self._context(words) @ self._weights["projection"]
        if "reach" in self._weights:
            around = bounded(around, float(self._weights["reach"][0]))
        states: States = words + around
        return states


def bounded(rows: States, reach: float) -> States:
    """Return ``(n, d)`` with rows longer than ``reach`` cut to that length."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows * (reach / np.maximum(lengths, reach)), dtype=np.float32)
