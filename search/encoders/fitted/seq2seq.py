"""Encoder and decoder that rebuild a passage, in NumPy; the encoder's context is the passage's vector.

Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks", NIPS 2014, section 2;
learned by rebuilding what was corrupted: Hill, Cho and Korhonen, NAACL 2016, section 3.1.

The encoder is a bidirectional LSTM with pooled states; its context ``v`` begins the decoder,
``[h_0, c_0] = tanh(v W_start + b_start)``.  The decoder, an LSTM, reads the word it has produced last
(at first a mark of its own) and scores every word: ``tanh(h_t W_out) e_w + b_w``.  With attention (Luong,
Pham and Manning, EMNLP 2015, section 3.1, "general") it looks back at the encoder's states ``S``:
``a_t = softmax(h_t W_a S^T)`` and ``tanh([h_t, a_t S] W_out)``.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from search.arrays import States, Vector
from search.encoders.fitted.pooling import PooledEncoder
from search.encoders.fitted.recurrent import lstm, lstm_step
from search.encoders.fitted.tensors import Weights, read_weights
from search.encoders.fitted.transformer import softmax
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer


class Seq2Seq(PooledEncoder):
    """A pooled encoder that can also tell what it has understood of a text."""

    def __init__(self, vocabulary: Vocabulary, weights: Weights, analyzer: Analyzer) -> None:
        """Take the weights of a pooled LSTM and those of a decoder, ``decoder.*``."""
        super().__init__(vocabulary, weights, lambda words: lstm(weights, words), analyzer)
        self._decoder = {
            name.removeprefix("decoder."): array
            for name, array in weights.items()
            if name.startswith("decoder.")
        }

    def rebuild(self, text: str, most: int = 64) -> list[str]:
        """Return at most ``most`` terms that the decoder produces from the context of ``text``, greedily."""
        numbers = self._vocabulary.numbers(self._analyzer.terms(text))
        if not numbers:
            return []
        produced = self._produce(self.pooled(numbers), self._states(numbers))
        return [self._vocabulary.terms[word] for word, _ in zip(produced, range(most), strict=False)]

    def _produce(self, context: Vector, states: States) -> Iterator[int]:
        """Yield the number of the best word, step after step, until the end mark is the best."""
        candidates = np.vstack([self._weights["words"], self._decoder["mark"]])
        end = last = len(candidates) - 1
        h, c = start(self._decoder, context)
        while True:
            h, c = decoder_step(self._decoder, candidates[last], h, c)
            scores = candidates @ output(self._decoder, h, states) + self._decoder["word_bias"]
            last = int(scores.argmax())
            if last == end:
                return
            yield last


def start(decoder: Weights, context: Vector) -> tuple[Vector, Vector]:
    """Return ``h_0`` and ``c_0`` from a context ``(d,)``."""
    h, c = np.split(np.tanh(context @ decoder["start"] + decoder["start_bias"]), 2)
    return h, c


def decoder_step(decoder: Weights, word: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    """Return ``h_t`` and ``c_t`` after reading the vector ``(d,)`` of the word before."""
    return lstm_step(word @ decoder["input"] + h @ decoder["recurrent"] + decoder["bias"], c)


def output(decoder: Weights, h: Vector, states: States) -> Vector:
    """Return what words are compared with ``(d,)``; where attention was learned, it sees ``states``."""
    if "attention" in decoder:
        attended = softmax(np.asarray(h @ decoder["attention"] @ states.T, dtype=np.float32)) @ states
        h = np.concatenate([h, attended])
    compared: Vector = np.tanh(h @ decoder["output"])
    return compared


def open_seq2seq(folder: Path, analyzer: Analyzer) -> Seq2Seq:
    """Open what ``fit_seq2seq`` or ``fit_seq2seq_attention`` wrote."""
    return Seq2Seq(Vocabulary.read(folder), read_weights(folder), analyzer)
