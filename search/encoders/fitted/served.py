"""A fitted encoder as the rest of the service uses it: opened when it first has something to read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from search.arrays import Matrix, Rows, Vector
from search.encoders.base import Language, Role
from search.encoders.fitted.base import FittedEncoder, SparseEncoder


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
