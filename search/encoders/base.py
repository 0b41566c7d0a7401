"""What the rest of the service may expect of an encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from search.arrays import Matrix, Spans, States, Vector

Role = Literal["query", "passage"]
Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class TokenStates:
    """What a model makes of each piece of a text; prompt and special tokens are left out."""

    states: States
    """Raw states of the last layer ``(n, d)``, in reading order; none is of unit length."""
    spans: Spans
    """Where each piece stands in the text ``(n, 2)``."""


class TextTokenizer(Protocol):
    """Cuts text into the pieces a model reads."""

    def ids(self, text: str) -> list[int]:
        """Return the piece ids of ``text``, special tokens left out."""
        ...

    def count(self, text: str) -> int:
        """Return how many pieces ``text`` has, special tokens left out."""
        ...

    def spans(self, text: str) -> Spans:
        """Return where each of ``ids(text)`` stands in ``text``, without the white space before it.

        A piece that is white space alone, or a part of one character that was spelt out, may have an
        empty range.
        """
        ...


class Encoder(Protocol):
    """Turns texts into vectors; the only thing an index or an engine knows of a model."""

    @property
    def dimension(self) -> int:
        """Length of every vector."""
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
    def query_means(self) -> Mapping[Language, Vector]:
        """Mean of *raw* query vectors per language; not of unit length.  Empty where nothing is centred."""
        ...

    @property
    def passage_means(self) -> Mapping[Language, Vector]:
        """Mean of *raw* passage vectors per language; not of unit length.  Empty where nothing is centred."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Matrix:
        """Return unit rows, shape ``(len(texts), dimension)``.

        A text's vector depends on that text alone: bit for bit the same in any company, order or
        process.  Safe to call from several threads.
        """
        ...


class Transformer(Encoder, Protocol):
    """A pretrained model; a collection's passages are cut for the one that it was made with."""

    @property
    def max_tokens(self) -> int:
        """Longest input in pieces, prompt and special tokens left out; what is beyond is not read."""
        ...

    @property
    def tokenizer(self) -> TextTokenizer:
        """The model's own tokenizer, which chunking budgets with."""
        ...


@runtime_checkable
class TokenEncoder(Encoder, Protocol):
    """An encoder that also tells what it makes of each piece of a text."""

    @property
    def token_query_means(self) -> Mapping[Language, Vector]:
        """Mean of raw token states of the shipped questions per language; not of unit length."""
        ...

    @property
    def token_passage_means(self) -> Mapping[Language, Vector]:
        """Mean of raw token states of the shipped passages per language; not of unit length."""
        ...

    def encode_tokens(self, texts: Sequence[str], role: Role) -> tuple[Matrix, list[TokenStates]]:
        """Return the rows of ``encode(texts, role)`` and the states of each text, by one reading.

        States depend on their text alone, as vectors do.
        """
        ...


def token_encoder(encoder: Encoder) -> TokenEncoder | None:
    """Return an encoder as one that also tells of each piece, or None where it does not."""
    return encoder if isinstance(encoder, TokenEncoder) else None
