"""Four kinds of attention between the token states of a query and those of passages.

Every query token i looks at the tokens j of a passage; a_ij is the share of its attention that j gets, and
s_ij what j is worth to it.  The token's score is sum_j a_ij s_ij, so the products a_ij s_ij say exactly
which link carries how much of the score: what explains a hit is what made it.

All kinds are batched over the candidates.  Passages come one behind another in one array, are laid side
by side for the softmax, and what is beyond a passage's end is masked with minus infinity: a zero would beat
a real token that is less than similar.

Sources:
    Vaswani et al., Attention Is All You Need, 2017, sections 3.2.1 (scaled dot products), 3.2.2 (heads)
        and 3.2.3 (the causal mask).
    Khattab and Zaharia, ColBERT, SIGIR 2020, section 3.3: the maximum over passage tokens, which ``Simple``
        becomes as its temperature goes to 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.arrays import States

Lengths = NDArray[np.int64]
"""How many tokens each passage has ``(p,)``, each at least 1."""

Table = NDArray[np.float32]
"""Numbers of every passage, query token and passage token ``(p, n, l)``; 0 beyond a passage's end."""


@dataclass(frozen=True, slots=True)
class Attended:
    """What every query token sees in every passage."""

    weights: Table
    """a_ij: the shares of attention; they sum to 1 over a passage (``Causal``: to less)."""
    carried: Table
    """a_ij s_ij: what each link carries of the score."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """Scores of the query's tokens ``(p, n)``."""
        summed: NDArray[np.float32] = self.carried.sum(axis=2)
        return summed


class AttentionRanker(Protocol):
    """One kind of attention; safe for several threads."""

    def attend(self, query: States, passages: States, lengths: Lengths) -> Attended:
        """Let a query attend to passages.

        Args:
            query: states ``(n, d)`` of the query's tokens.
            passages: states ``(sum of lengths, d)`` of all passages' tokens, one passage behind another.
            lengths: how many tokens each passage has, at least 1.
        """
        ...


@dataclass(frozen=True, slots=True)
class Simple:
    """Dot products and no weights: a_ij = softmax_j(q_i d_j / t), s_ij = q_i d_j."""

    temperature: float = 0.03
    """Near 0 the best token takes all; higher, alike ones share.  For states of unit length."""

    def attend(self, query: States, passages: States, lengths: Lengths) -> Attended:
        """Let every query token look for its like."""
        similar = side_by_side(query @ passages.T, lengths)
        weights = softmax(similar / np.float32(self.temperature))
        return Attended(weights, carried(weights, similar))


@dataclass(frozen=True, slots=True)
class Projections:
    """Learned maps ``(d, k)`` applied from the right: how a state asks, answers, and what it is worth."""

    query: NDArray[np.float32]
    key: NDArray[np.float32]
    value: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Trainable:
    """Learned projections: a_ij = softmax_j(q_i W_Q (d_j W_K)' / sqrt(k)), s_ij = q_i (d_j W_V)'."""

    learned: Projections
    """``query`` and ``key`` are ``(d, k)``, ``value`` is ``(d, d)``."""

    def attend(self, query: States, passages: States, lengths: Lengths) -> Attended:
        """Let every query token ask as it has learned to."""
        asked = scaled(query @ self.learned.query)
        weights = softmax(side_by_side(asked @ (passages @ self.learned.key).T, lengths))
        worth = side_by_side(query @ (passages @ self.learned.value).T, lengths)
        return Attended(weights, carried(weights, worth))


@dataclass(frozen=True, slots=True)
class Causal:
    """One sequence, the passage and then the query, in which a token sees itself and what came before it.

    So query token i sees the whole passage and query tokens up to i.  Its score is the sum of a_ij s_ij over
    the passage alone: attention that it spends on the query counts nothing, and a query that is taken up
    with itself scores low.  The projections are those of ``Trainable``.
    """

    learned: Projections

    def attend(self, query: States, passages: States, lengths: Lengths) -> Attended:
        """Let every query token look back."""
        asked = scaled(query @ self.learned.query)
        found = side_by_side(asked @ (passages @ self.learned.key).T, lengths)
        own = asked @ (query @ self.learned.key).T
        own[np.triu_indices(len(query), k=1)] = -np.inf
        among = np.broadcast_to(own, (len(lengths), *own.shape))
        weights = softmax(np.concatenate([found, among], axis=2))[:, :, : found.shape[2]]
        worth = side_by_side(query @ (passages @ self.learned.value).T, lengths)
        return Attended(weights, carried(weights, worth))


@dataclass(frozen=True, slots=True)
class MultiHead:
    """Several attentions beside each other, each in a part of the dimensions, joined by one more map.

    Head h attends by its share of the columns of W_Q and W_K; with its share of W_V and of the rows of W_O,
    s_ij = q_i (d_j W_V^h W_O^h)'.  The weights that are shown are the mean over the heads, as in PyTorch.
    """

    heads: int
    learned: Projections
    """All ``(d, k)`` with k a multiple of ``heads``."""
    output: NDArray[np.float32]
    """W_O ``(k, d)``."""

    def attend(self, query: States, passages: States, lengths: Lengths) -> Attended:
        """Let every query token ask in several ways at once."""
        parts = [self._head(part, query, passages, lengths) for part in self._columns()]
        weights = np.add.reduce([part.weights for part in parts], axis=0) / np.float32(self.heads)
        return Attended(weights, np.add.reduce([part.carried for part in parts], axis=0))

    def _columns(self) -> Sequence[slice]:
        width = self.learned.query.shape[1] // self.heads
        return [slice(head * width, (head + 1) * width) for head in range(self.heads)]

    def _head(self, part: slice, query: States, passages: States, lengths: Lengths) -> Attended:
        learned = self.learned
        value = learned.value[:, part] @ self.output[part]
        head = Trainable(Projections(learned.query[:, part], learned.key[:, part], value))
        return head.attend(query, passages, lengths)


def scaled(asked: States) -> States:
    """Return ``(n, k)`` rows over the root of k, so that long vectors do not sharpen attention."""
    return np.asarray(asked / np.sqrt(np.float32(asked.shape[1])), dtype=np.float32)


def side_by_side(found: NDArray[np.float32], lengths: Lengths) -> Table:
    """Return the columns ``(n, sum of lengths)`` laid out by passage ``(p, n, l)``, minus infinity beyond."""
    places = np.arange(lengths.max(initial=0))
    inside = places < lengths[:, None]
    starts = np.cumsum(lengths) - lengths
    columns = np.where(inside, starts[:, None] + places, 0)
    laid = np.moveaxis(found[:, columns], 0, 1)
    return np.where(inside[:, None, :], laid, np.float32(-np.inf))


def softmax(table: Table) -> Table:
    """Return the shares ``(p, n, l)`` over the last axis; minus infinity gets exactly 0."""
    shares: Table = np.exp(table - table.max(axis=2, keepdims=True, initial=-np.inf))
    shares /= shares.sum(axis=2, keepdims=True)
    return shares


def carried(weights: Table, worth: Table) -> Table:
    """Return weights times worth, 0 where there is no token."""
    return np.multiply(weights, worth, out=np.zeros_like(weights), where=np.isfinite(worth))
