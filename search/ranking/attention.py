"""Four kinds of attention between the token states of a query and those of passages.

Every query token i looks at the tokens j of a passage; a_ij is the share of its attention that j gets, and
s_ij what j is worth to it.  The token's score is sum_j a_ij s_ij, so the products a_ij s_ij say exactly
which link carries how much of the score: what explains a hit is what made it.

All kinds are batched over the candidates.  The tokens of all passages lie one behind another, each softmax
runs over the tokens of one passage, and there is no padding that could be mistaken for a token.  Passages
are asked for inner products only: a learned map of theirs is applied to the query instead,
q W_Q (d W_K)' = (q W_Q W_K') d', so that stored states need not be spelt out for it.

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

Table = NDArray[np.float32]
"""Numbers of every query token and every token of all passages ``(n, sum of lengths)``."""


class PassageStates(Protocol):
    """Token states of several passages, one passage behind another; ``PackedPassages`` is one."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """How many tokens each passage has ``(p,)``; one without any scores 0."""
        ...

    def products(self, query: States) -> Table:
        """Return the inner products of rows ``(n, d)`` with all states."""
        ...


@dataclass(frozen=True, slots=True)
class Attended:
    """What every query token sees in every passage."""

    weights: Table
    """a_ij: the shares of attention; they sum to 1 over a passage (``Causal``: to less)."""
    carried: Table
    """a_ij s_ij: what each link carries of the score."""
    lengths: NDArray[np.int64]
    """How many of the columns belong to each passage ``(p,)``."""

    @property
    def scores(self) -> NDArray[np.float32]:
        """Scores of the query's tokens in each passage ``(p, n)``."""
        return Segments(self.lengths).sums(self.carried).T

    def of_passage(self, place: int) -> "Attended":
        """Return what concerns one passage alone."""
        start = int(self.lengths[:place].sum())
        columns = slice(start, start + int(self.lengths[place]))
        return Attended(self.weights[:, columns], self.carried[:, columns], self.lengths[place : place + 1])


class AttentionRanker(Protocol):
    """One kind of attention; safe for several threads."""

    def attend(self, query: States, passages: PassageStates) -> Attended:
        """Let the tokens of a query, states ``(n, d)``, attend to those of passages."""
        ...


@dataclass(frozen=True, slots=True)
class Simple:
    """Dot products and no weights: a_ij = softmax_j(q_i d_j / t), s_ij = q_i d_j."""

    temperature: float = 0.03
    """Near 0 the best token takes all; higher, alike ones share.  For states of unit length."""

    def attend(self, query: States, passages: PassageStates) -> Attended:
        """Let every query token look for its like."""
        similar = passages.products(query)
        weights = Segments(passages.lengths).softmax(similar / np.float32(self.temperature))
        return Attended(weights, weights * similar, passages.lengths)


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

    def attend(self, query: States, passages: PassageStates) -> Attended:
        """Let every query token ask as it has learned to."""
        asked, worth = mapped(query, self.learned)
        similar, worths = at_once(passages, [asked, worth])
        weights = Segments(passages.lengths).softmax(similar)
        return Attended(weights, weights * worths, passages.lengths)


@dataclass(frozen=True, slots=True)
class Causal:
    """One sequence, the passage and then the query, in which a token sees itself and what came before it.

    So query token i sees the whole passage and query tokens up to i.  Its score is the sum of a_ij s_ij over
    the passage alone: attention that it spends on the query counts nothing, and a query that is taken up
    with itself scores low.  The projections are those of ``Trainable``.
    """

    learned: Projections

    def attend(self, query: States, passages: PassageStates) -> Attended:
        """Let every query token look back."""
        asked, worth = mapped(query, self.learned)
        own = np.where(np.tri(len(query), dtype=bool), asked @ query.T, np.float32(-np.inf))
        similar, worths = at_once(passages, [asked, worth])
        weights = Segments(passages.lengths).softmax(similar, own)
        return Attended(weights, weights * worths, passages.lengths)


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

    def attend(self, query: States, passages: PassageStates) -> Attended:
        """Let every query token ask in several ways at once."""
        segments = Segments(passages.lengths)
        sides = [side for part in self._columns() for side in mapped(query, self._head(part))]
        tables = at_once(passages, sides)
        each = [segments.softmax(similar) for similar in tables[::2]]
        weights = np.add.reduce(each, axis=0) / np.float32(self.heads)
        carried = np.add.reduce(
            [share * worth for share, worth in zip(each, tables[1::2], strict=True)], axis=0
        )
        return Attended(weights, carried, passages.lengths)

    def _columns(self) -> Sequence[slice]:
        width = self.learned.query.shape[1] // self.heads
        return [slice(head * width, (head + 1) * width) for head in range(self.heads)]

    def _head(self, part: slice) -> Projections:
        learned = self.learned
        value = learned.value[:, part] @ self.output[part]
        return Projections(learned.query[:, part], learned.key[:, part], value)


def mapped(query: States, learned: Projections) -> tuple[States, States]:
    """Return what a query's states ``(n, d)`` ask passages for, and what they find there is worth by."""
    return scaled(query @ learned.query) @ learned.key.T, query @ learned.value.T


def at_once(passages: PassageStates, sides: Sequence[States]) -> Sequence[Table]:
    """Return the products of several sets of rows with all states, which are spelt out once."""
    return np.split(passages.products(np.concatenate(sides)), len(sides))


def scaled(asked: States) -> States:
    """Return ``(n, k)`` rows over the root of k, so that long vectors do not sharpen attention."""
    return np.asarray(asked / np.sqrt(np.float32(asked.shape[1])), dtype=np.float32)


class Segments:
    """The columns of each passage in a ``Table``."""

    def __init__(self, lengths: NDArray[np.int64]) -> None:
        self._lengths = lengths
        self._filled = np.flatnonzero(lengths)
        self._starts = (np.cumsum(lengths) - lengths)[self._filled]

    def sums(self, table: Table) -> Table:
        """Return the sum over each passage ``(n, p)``; 0 over none."""
        return self._over(np.add, table, 0)

    def softmax(self, table: Table, beside: NDArray[np.float32] | None = None) -> Table:
        """Return the shares of the columns of each passage.

        Args:
            table: what to take shares by.
            beside: ``(n, m)``, more columns that take part in every passage's softmax and are not returned.
        """
        largest = self._over(np.maximum, table, -np.inf)
        if beside is not None:
            largest = np.maximum(largest, beside.max(axis=1, keepdims=True, initial=-np.inf))
        shares: Table = np.exp(table - self._spread(largest))
        sums = self.sums(shares)
        if beside is not None:
            sums += np.exp(beside[:, None, :] - largest[:, :, None]).sum(axis=2)
        shares /= self._spread(sums)
        return shares

    def _over(self, merge: np.ufunc, table: Table, empty: float) -> Table:
        merged = np.full((len(table), self._lengths.size), empty, dtype=np.float32)
        if self._filled.size and len(table):
            merged[:, self._filled] = merge.reduceat(table, self._starts, axis=1)
        return merged

    def _spread(self, of_passages: Table) -> Table:
        return np.repeat(of_passages, self._lengths, axis=1)
