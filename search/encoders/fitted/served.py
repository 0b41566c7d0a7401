"""A fitted encoder as the rest of the service uses it: opened when it first has something to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.arrays import Matrix, Rows, Vector
from search.encoders.base import Language, Role, TokenStates
from search.encoders.built_in_texts import LANGUAGES
from search.encoders.fitted.base import FittedEncoder, SparseEncoder, StateEncoder


@dataclass(frozen=True, slots=True)
class Served:
    """An ``Encoder`` whose vectors are compared as they are."""

    fingerprint: str
    dimension: int
    opened: Callable[[], FittedEncoder]
    """Opens the files, or returns what was opened before; may raise ``ModelUnavailable``."""

    @property
    def centring(self) -> str:
        """Nothing is centred."""
        return ""

    @property
    def query_means(self) -> Mapping[Language, Vector]:
        """Nothing is centred."""
        return {}

    @property
    def passage_means(self) -> Mapping[Language, Vector]:
        """Nothing is centred."""
        return {}

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit or zero rows ``(len(texts), dimension)``."""
        return self.opened().encode(texts, role)

    def rows(self, texts: Sequence[str]) -> Rows:
        """Return the rows of passages as they are stored: without their zeros where they are sparse."""
        encoder = self.opened()
        if isinstance(encoder, SparseEncoder):
            return encoder.encode_sparse(texts, "passage")
        return encoder.encode(texts, "passage")


@dataclass(frozen=True, slots=True)
class ServedWithStates(Served):
    """A ``TokenEncoder`` whose states are compared as they are, too.

    Both sides learned as one, so that there is no side to take away: less the mean of the states of all
    passages, nDCG@10 of attention is the same within .005 in two collections.
    """

    @property
    def token_query_means(self) -> Mapping[Language, Vector]:
        """Nothing is centred: zeros ``(d,)``."""
        return dict.fromkeys(LANGUAGES, np.zeros(self.dimension, dtype=np.float32))

    @property
    def token_passage_means(self) -> Mapping[Language, Vector]:
        """Nothing is centred: zeros ``(d,)``."""
        return self.token_query_means

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return unit or zero rows ``(len(texts), dimension)`` and the states of each text's known words."""
        encoder = self.opened()
        if not isinstance(encoder, StateEncoder):
            raise TypeError(f"{type(encoder).__name__} has no states")
        return encoder.encode_tokens(texts, role)
