"""What the rest of the service may expect of an encoder."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from search.arrays import Matrix, Vector

Role = Literal["query", "passage"]
Language = Literal["en", "zh"]


class TextTokenizer(Protocol):
    """Cuts text into the pieces a model reads."""

    def ids(self, text: str) -> list[int]:
        """Return the piece ids of ``text``, special tokens left out."""
        ...

    def count(self, text: str) -> int:
        """Return how many pieces ``text`` has, special tokens left out."""
        ...


class Encoder(Protocol):
    """Turns texts into vectors; the only thing an index or an engine knows of a model."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Longest input in pieces, prompt and special tokens left out; what is beyond is not read."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of weights, tokenizer and settings; equal fingerprints give equal vectors."""
        ...

    @property
    def centring(self) -> str:
        """Digest of the means below; with the fingerprint it says how centred vectors were made."""
        ...

    @property
    def tokenizer(self) -> TextTokenizer:
        """The model's own tokenizer, which chunking budgets with."""
        ...

    @property
    def query_means(self) -> Mapping[Language, Vector]:
        """Mean of *raw* query vectors per language, from the shipped questions; not of unit length."""
        ...

    @property
    def passage_means(self) -> Mapping[Language, Vector]:
        """Mean of *raw* passage vectors per language, from the shipped passages; not of unit length."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows, shape ``(len(texts), dimension)``.

        A text's vector depends on that text alone: bit for bit the same in any company, order or
        process.  Safe to call from several threads.
        """
        ...
