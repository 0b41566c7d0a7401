"""Trains encoders of pooled states: the two texts of a pair nearer to each other than to any other.

InfoNCE with the others of a batch as negatives: van den Oord et al., "Representation learning with
contrastive predictive coding", 2018, equation 4; both ways.  Passages of one document are no negatives
of each other.  The vectors of words learn on: nDCG@10 (rnn) before and after learning .381
and .427 on English answers, .365 and .656 on Chinese pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from search.arrays import Matrix, Vector
from search.encoders.fitted.base import Fit
from search.encoders.fitted.loop_training import Plan, Rows, learn
from search.encoders.fitted.pairs import Lesson, Numbers, Pairs, lessons
from search.encoders.fitted.sif import sif_weights
from search.encoders.fitted.vocabulary import Vocabulary, learn_vocabulary
from search.encoders.fitted.word_vectors_training import word_vectors

DIMENSION = 128
MOST_TERMS = 50_000
LONGEST = 48
TEMPERATURE = 0.1


class PooledNetwork(nn.Module):
    """What ``PooledEncoder`` serves: word vectors, a network around them, and a weighted mean.

    ``context`` maps padded word vectors ``(b, n, d)`` and lengths ``(b,)`` to ``(b, n, h)``.
    """

    def __init__(
        self,
        context: nn.Module,
        width: int,
        words: Matrix,
        importance: Vector,
        reach: float | None = None,
    ) -> None:
        super().__init__()
        self.reach = reach
        self.words = nn.Embedding.from_pretrained(torch.from_numpy(words), freeze=False)
        self.importance = nn.Parameter(torch.from_numpy(importance).log())
        self.context = context
        self.projection = nn.Linear(width, words.shape[1], bias=False)
        nn.init.normal_(self.projection.weight, std=1e-2)
        self.dropout = nn.Dropout(0.1)

    def states(self, numbers: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return ``(b, n, d)``; those past a length mean nothing."""
        words = self.dropout(self.words(numbers))
        around = self.projection(self.context(words, lengths))
        if self.reach is not None:
            around = around * (self.reach / around.norm(dim=2, keepdim=True).clamp(min=self.reach))
        return words + around

    def forward(self, numbers: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return unit vectors ``(b, d)``."""
        return self.pool(self.states(numbers, lengths), numbers, lengths)

    def pool(self, states: torch.Tensor, numbers: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the unit weighted mean ``(b, d)`` of states ``(b, n, d)`` up to each length."""
        inside = torch.arange(numbers.shape[1]) < lengths[:, None]
        weights = self.importance[numbers].exp() * inside
        return functional.normalize((weights[:, :, None] * states).sum(1), dim=1)


@dataclass(frozen=True, slots=True)
class Ground:
    """What the network of a collection begins with."""

    vocabulary: Vocabulary
    passages: list[Lesson]
    words: Matrix
    importance: Vector


def ground(fit: Fit) -> Ground:
    """Learn vocabulary, word vectors and word weights of the collection."""
    terms = [fit.analyzer.terms(passage.input) for passage in fit.passages]
    vocabulary, _ = learn_vocabulary(terms, MOST_TERMS)
    passages = lessons(fit.passages, vocabulary, fit.analyzer)
    counts = np.bincount([word for passage in passages for word in passage.whole], minlength=len(vocabulary))
    words = word_vectors(fit, terms, vocabulary, DIMENSION)
    return Ground(vocabulary, passages, words, sif_weights(counts).astype(np.float32))


def fit_contrast(fit: Fit, kind: str, begun: Ground, network: PooledNetwork, plan: Plan) -> None:
    """Train ``network`` on pairs of passages and write vocabulary and weights."""
    pairs = Pairs(begun.passages, LONGEST)

    def loss(rows: Rows, generator: np.random.Generator) -> torch.Tensor:
        drawn = [pairs.draw(int(row), generator) for row in rows]
        return info_nce(
            network(*padded([short for short, _ in drawn])),
            network(*padded([long for _, long in drawn])),
            torch.from_numpy(pairs.documents[rows]),
        )

    learn(fit, kind, network, loss, len(begun.passages), plan)


def padded(texts: Sequence[Numbers]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return numbers of terms ``(b, n)``, zeros behind the end, and lengths ``(b,)``."""
    lengths = torch.tensor([len(text) for text in texts])
    numbers = torch.zeros((len(texts), int(lengths.max())), dtype=torch.int64)
    for row, text in zip(numbers, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    return numbers, lengths


def info_nce(short: torch.Tensor, long: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
    """Return the mean loss of unit rows ``(b, d)``, row i of one belonging to row i of the other."""
    scores = short @ long.T / TEMPERATURE
    same = (documents[:, None] == documents[None]).fill_diagonal_(False)
    scores = scores.masked_fill(same, float("-inf"))
    right = torch.arange(len(documents))
    return (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2


def pooled_weights(network: PooledNetwork, passages: Sequence[Lesson]) -> dict[str, torch.Tensor]:
    """Return what every ``PooledEncoder`` reads, of a network that has learned."""
    with torch.no_grad():
        total = torch.zeros(network.words.embedding_dim)
        for start in range(0, len(passages), 64):
            total += network(*padded([passage.whole[:256] for passage in passages[start : start + 64]])).sum(
                0
            )
    # One passage has to keep its vector.
    mean = total / len(passages) if len(passages) > 1 else torch.zeros_like(total)
    reach = {} if network.reach is None else {"reach": torch.tensor([network.reach])}
    return reach | {
        "words": network.words.weight.detach(),
        "importance": network.importance.detach().exp(),
        "projection": network.projection.weight.detach().T,
        "mean": mean,
    }
