"""Trains the autoencoder: TF-IDF rows with words left out go in, the whole rows are to come out.

30,000 terms, 256 numbers and 30 epochs take five to ten times as long and gain nothing: nDCG@10 .412 against
.409 on English abstracts, .703 against .704 on Chinese pages.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from search.arrays import Vector
from search.encoders.fitted.autoencoder import tfidf_entries
from search.encoders.fitted.base import Fit
from search.encoders.fitted.loop_training import Plan, Rows, learn, seed_everything
from search.encoders.fitted.tensors import write_weights
from search.encoders.fitted.vocabulary import learn_vocabulary

MOST_TERMS = 10_000
DIMENSION = 192
DROPOUT = 0.3
PLAN = Plan(epochs=12, rate=4e-3, decay=1e-2, batch=128)


class Network(nn.Module):
    """Dropout, a tanh bottleneck, and a linear decoder."""

    def __init__(self, terms: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)
        self.encoder = nn.Linear(terms, DIMENSION)
        self.decoder = nn.Linear(DIMENSION, terms)

    def bottleneck(self, rows: torch.Tensor) -> torch.Tensor:
        """Return ``(n, d)`` of TF-IDF rows ``(n, terms)``."""
        return torch.tanh(self.encoder(rows))

    def loss(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one less the mean cosine of the rows and what is rebuilt of them."""
        rebuilt = self.decoder(self.bottleneck(self.dropout(rows)))
        return 1 - functional.cosine_similarity(rebuilt, rows).mean()


def fit_autoencoder(fit: Fit) -> None:
    """Train on all passages and write vocabulary and encoder half."""
    terms = [fit.analyzer.terms(passage.input) for passage in fit.passages]
    vocabulary, idf = learn_vocabulary(terms, MOST_TERMS)
    known = [numbers for numbers in map(vocabulary.numbers, terms) if numbers]
    seed_everything(fit.seed)
    network = Network(len(vocabulary))

    def loss(rows: Rows, generator: np.random.Generator) -> torch.Tensor:
        return network.loss(_dense([known[row] for row in rows], idf))

    learn(fit, "autoencoder", network, loss, len(known), PLAN)
    vocabulary.write(fit.output)
    write_weights(
        fit.output,
        {
            "idf": idf,
            "weight": network.encoder.weight.detach().T,
            "bias": network.encoder.bias.detach(),
            "mean": _mean(network, known, idf),
        },
    )


def _dense(numbers: Sequence[Sequence[int]], idf: Vector) -> torch.Tensor:
    rows = np.zeros((len(numbers), len(idf)), dtype=np.float32)
    for row, words in zip(rows, numbers, strict=True):
        columns, values = tfidf_entries(words, idf)
        row[columns] = values
    return torch.from_numpy(rows)


def _mean(network: Network, known: Sequence[Sequence[int]], idf: Vector) -> torch.Tensor:
    """Return the bottleneck's mean, shape ``(d,)``; zeros for one passage, which has to keep its vector."""
    if len(known) == 1:
        return torch.zeros(DIMENSION)
    with torch.no_grad():
        chunks = [known[start : start + 64] for start in range(0, len(known), 64)]
        total = sum(
            (network.bottleneck(_dense(chunk, idf)).sum(0) for chunk in chunks), torch.zeros(DIMENSION)
        )
    return total / len(known)
