"""Recurrent encoders in NumPy: the plain net and the LSTM, each read forwards and backwards.

Plain net (Elman, "Finding structure in time", Cognitive Science 14, 1990):
``h_t = tanh(W x_t + U h_{t-1} + b)``.

LSTM (Hochreiter and Schmidhuber, Neural Computation 9(8), 1997, section 4, with the forget gate of Gers et
al., "Learning to forget", Neural Computation 12(10), 2000):

    i_t = sigmoid(W_i x_t + U_i h_{t-1} + b_i)      input gate
    f_t = sigmoid(W_f x_t + U_f h_{t-1} + b_f)      forget gate
    g_t = tanh(W_g x_t + U_g h_{t-1} + b_g)         what may be written
    o_t = sigmoid(W_o x_t + U_o h_{t-1} + b_o)      output gate
    c_t = f_t * c_{t-1} + i_t * g_t                 cell
    h_t = o_t * tanh(c_t)

Both directions (Schuster and Paliwal, IEEE TSP 45(11), 1997) step side by side; all ``W x_t`` are one
product.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from search.arrays import States
from search.encoders.fitted.pooling import PooledEncoder
from search.encoders.fitted.tensors import Weights, read_weights
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer

Context = Callable[[Weights, States], States]


def sigmoid(x: States) -> States:
    """Return ``1 / (1 + e^-x)``, by a formula that does not overflow."""
    value: States = 0.5 * (1 + np.tanh(0.5 * x))
    return value


def rnn(weights: Weights, words: States) -> States:
    """Return hidden states ``(n, 2h)`` of word vectors ``(n, d)``, forwards beside backwards.

    ``input (d, 2h)``, ``recurrent (2, h, h)`` and ``bias (2h,)`` are of both directions.
    """
    read = _read(weights, words)
    hidden = np.zeros_like(read)
    h = np.zeros_like(read[0])
    for t, x in enumerate(read):
        h = np.tanh(x + h @ weights["recurrent"])
        hidden[t] = h
    return _joined(hidden)


def lstm(weights: Weights, words: States) -> States:
    """Return hidden states ``(n, 2h)`` of word vectors ``(n, d)``, forwards beside backwards.

    ``input (d, 2 * 4h)``, ``recurrent (2, h, 4h)`` and ``bias (2 * 4h,)`` hold i, f, g, o side by side.
    """
    read = _read(weights, words)
    width = read.shape[-1] // 4
    hidden = np.zeros((len(words), 2, 1, width), dtype=np.float32)
    h = c = np.zeros((2, 1, width), dtype=np.float32)
    for t, x in enumerate(read):
        h, c = lstm_step(x + h @ weights["recurrent"], c)
        hidden[t] = h
    return _joined(hidden)


def lstm_step(gates: States, c: States) -> tuple[States, States]:
    """Return ``h_t`` and ``c_t`` from the sums ``(..., 4h)`` that the gates are made of, and ``c_{t-1}``."""
    i, f, g, o = np.split(gates, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def _read(weights: Weights, words: States) -> States:
    """Return ``W x + b`` as ``(n, 2, 1, gates)``; the second direction begins at the end."""
    read = (words @ weights["input"] + weights["bias"]).reshape(len(words), 2, 1, -1)
    read[:, 1] = read[::-1, 1].copy()
    return read


def _joined(hidden: States) -> States:
    """Return ``(n, 2, 1, h)`` as ``(n, 2h)``, both directions in reading order."""
    return np.concatenate([hidden[:, 0, 0], hidden[::-1, 1, 0]], axis=1)


def open_rnn(folder: Path, analyzer: Analyzer) -> PooledEncoder:
    """Open what ``fit_rnn`` wrote."""
    return _open(folder, analyzer, rnn)


def open_lstm(folder: Path, analyzer: Analyzer) -> PooledEncoder:
    """Open what ``fit_lstm`` wrote."""
    return _open(folder, analyzer, lstm)


def _open(folder: Path, analyzer: Analyzer, context: Context) -> PooledEncoder:
    weights = read_weights(folder)
    return PooledEncoder(Vocabulary.read(folder), weights, lambda words: context(weights, words), analyzer)
