"""The two lean tokenizers that serving uses; both load from one file of the prepared folder.

``PieceTokenizer`` runs a sentencepiece model (the default encoder), ``FileTokenizer`` a
``tokenizer.json`` (models from a hub or folder).  Neither adds special tokens, pads or cuts: what
comes out is the text alone, and both are safe to call from several threads.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import sentencepiece
from numpy.typing import NDArray
from tokenizers import Tokenizer

from search.arrays import Spans
from search.encoders.base import TextTokenizer
from search.errors import InvalidInput

TokenizerKind = Literal["sentencepiece", "tokenizers"]
TOKENIZER_FILES: dict[TokenizerKind, str] = {
    "sentencepiece": "sentencepiece.model",
    "tokenizers": "tokenizer.json",
}


class PieceTokenizer:
    """Unigram pieces by sentencepiece."""

    def __init__(self, file: Path) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.Load(str(file))

    def ids(self, text: str) -> list[int]:
        """Return the piece ids of ``text``, special tokens left out."""
        ids: list[int] = self._processor.EncodeAsIds(encodable(text))
        return ids

    def count(self, text: str) -> int:
        """Return how many pieces ``text`` has, special tokens left out."""
        return len(self.ids(text))

    def spans(self, text: str) -> Spans:
        """Return where each piece stands in ``text``, without the white space before it."""
        pieces = self._processor.Encode(encodable(text), out_type="proto").pieces
        in_bytes = np.array([(piece.begin, piece.end) for piece in pieces], dtype=np.int32).reshape(-1, 2)
        return trimmed(text, code_points(text)[in_bytes])


class FileTokenizer:
    """Whatever a ``tokenizer.json`` describes, by the tokenizers library."""

    def __init__(self, file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def ids(self, text: str) -> list[int]:
        """Return the piece ids of ``text``, special tokens left out."""
        ids: list[int] = self._tokenizer.encode(encodable(text), add_special_tokens=False).ids
        return ids

    def count(self, text: str) -> int:
        """Return how many pieces ``text`` has, special tokens left out."""
        return len(self.ids(text))

    def spans(self, text: str) -> Spans:
        """Return where each piece stands in ``text``, without the white space before it."""
        offsets = self._tokenizer.encode(encodable(text), add_special_tokens=False).offsets
        return trimmed(text, np.array(offsets, dtype=np.int32).reshape(-1, 2))


def open_tokenizer(kind: TokenizerKind, folder: Path) -> TextTokenizer:
    """Return the tokenizer of a prepared ``folder``."""
    file = folder / TOKENIZER_FILES[kind]
    return PieceTokenizer(file) if kind == "sentencepiece" else FileTokenizer(file)


def encodable(text: str) -> str:
    """Return ``text``; raise ``InvalidInput`` where a lone surrogate makes it no Unicode text."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"the text has a lone surrogate at character {error.start}, which is no Unicode text",
            offset=error.start,
        ) from None
    return text


def code_points(text: str) -> NDArray[np.int32]:
    """Return for each place of the UTF-8 form, its end included, how many code points begin before it."""
    encoded = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    begins = (encoded & 0xC0) != 0x80  # every byte that continues no character
    return np.concatenate([[0], np.cumsum(begins)]).astype(np.int32)


def trimmed(text: str, spans: Spans) -> Spans:
    """Return ``spans`` without the white space at their starts, which belongs to no word."""
    rows = [(end - len(text[start:end].lstrip()), end) for start, end in spans.tolist()]
    return np.array(rows, dtype=np.int32).reshape(-1, 2)
