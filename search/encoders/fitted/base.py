"""What the rest of the service may expect of encoders that are fit on the collection they serve.

Each kind has two halves: a trainer, which runs in a child process and may import anything, and what serves
the files it wrote, which imports no torch.  ``catalog.py`` names both halves of every kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from scipy.sparse import csr_array

from search.arrays import Matrix
from search.encoders.base import Role, TokenStates
from search.text.analyzer import Analyzer


@dataclass(frozen=True, slots=True)
class LearningPassage:
    """A passage as an encoder learns from it."""

    document: int
    """Number of its document; the passages of one follow one another in reading order."""
    heading: str
    """Its document's title and the headings it stands under, a line each; may be empty."""
    text: str
    """Its own words."""

    @property
    def input(self) -> str:
        """What ``encode`` is handed for this passage."""
        return "\n".join(filter(None, (self.heading, self.text)))


@dataclass(frozen=True, slots=True)
class Fit:
    """All that a trainer is given."""

    passages: Sequence[LearningPassage]
    """The whole collection, at least one passage."""
    analyzer: Analyzer
    seed: int
    """Same seed and passages, same bytes."""
    output: Path
    """Empty folder for the files that serve; NumPy, JSON and safetensors, no pickle."""
    checkpoints: Path
    """Folder that outlives a killed trainer: what it finds there of the same fit, it goes on from."""
    previous: Path | None
    """Files of the fit that a kind of ``LEARN_ON`` is to start from; None for a fresh fit."""
    progress: Callable[[int, int], None]
    """Told how many of how many parts are done."""
    given: Path | None = None
    """A file of vectors made elsewhere, for the kind ``IMPORTED``."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What the user declared, of a kind that takes any."""


Trainer = Callable[[Fit], None]
"""Writes ``output``.

Raises:
    TooLittleToLearn: the collection has not enough words for this kind; the sentence says what is missing.
"""


class FittedEncoder(Protocol):
    """Turns texts into vectors by what it has learned from a collection."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows ``(len(texts), dimension)``, zeros for a text of which nothing is known.

        A text's vector depends on that text alone: bit for bit the same in any company, order or
        process.  Safe to call from several threads.
        """
        ...


@runtime_checkable
class SparseEncoder(FittedEncoder, Protocol):
    """An encoder most of whose numbers are zero: its rows are stored and searched without them."""

    def encode_sparse(self, texts: Sequence[str], role: Role) -> csr_array:
        """Return the rows of ``encode``, float32, with sorted column numbers and no stored zeros."""
        ...


@runtime_checkable
class StateEncoder(FittedEncoder, Protocol):
    """An encoder that also tells what it makes of each word it knows, so that attention can rank by it."""

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return the rows of ``encode(texts, role)`` and the states of each text, by one reading.

        States depend on their text alone, as vectors do.
        """
        ...
