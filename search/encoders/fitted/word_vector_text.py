"""Word vectors as text, in the format of the original word2vec program, which other programs read and write.

Vectors: a line ``words dimension``, then for each word a line of it and its numbers.  Vocabulary: for each
word a line of it and its count.  Both are UTF-8, parted by single spaces, the most frequent word first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from search.encoders.fitted.word_vectors import WordVectors
from search.errors import InvalidInput, TooLarge

MOST_NUMBERS = 100_000_000
"""Words times dimension, 400 MB."""
MOST_DIMENSIONS = 4096
LONGEST_LINE = 200_000
"""In bytes."""
_DIGITS = 12


@dataclass(frozen=True)
class TextVectors:
    """What stands in a file of vectors, in its order."""

    terms: list[str]
    vectors: NDArray[np.float32]
    """``(words, dimension)``."""


def vector_lines(words: WordVectors) -> Iterator[bytes]:
    """Yield the lines of the file of vectors; reading them gives the same numbers to the last bit."""
    terms = words.vocabulary.terms
    yield f"{len(terms)} {words.vectors.shape[1]}\n".encode()
    for word in _most_frequent_first(words):
        numbers = " ".join(f"{number:.9g}" for number in words.vectors[word].tolist())
        yield f"{terms[word]} {numbers}\n".encode()


def count_lines(words: WordVectors) -> Iterator[bytes]:
    """Yield the lines of the vocabulary."""
    for word in _most_frequent_first(words):
        yield f"{words.vocabulary.terms[word]} {words.vocabulary.counts[word]}\n".encode()


def _most_frequent_first(words: WordVectors) -> list[int]:
    counts, terms = words.vocabulary.counts, words.vocabulary.terms
    return sorted(range(len(terms)), key=lambda word: (-counts[word], terms[word]))


def read_vectors(stream: BinaryIO) -> TextVectors:
    """Read a file of vectors, which anybody may have written.

    Raises:
        InvalidInput: it is not of this format.
        TooLarge: there are more numbers than ``MOST_NUMBERS``, or a line is too long.
    """
    lines = _lines(stream)
    words, dimension = _header(next(lines, ""))
    terms: dict[str, None] = {}
    vectors = np.empty((words, dimension), np.float32)  # memory that is taken as it is filled
    for place, line in enumerate(lines, start=2):
        if len(terms) == words:
            raise InvalidInput(f"the vectors have more lines than the {words} words that line 1 tells of")
        term, _, numbers = line.partition(" ")
        _new(term, terms, place)
        vectors[len(terms)] = _numbers(numbers, dimension, place)
        terms[term] = None
    if len(terms) != words:
        raise InvalidInput(f"the vectors end after {len(terms)} of the {words} words that line 1 tells of")
    return TextVectors(list(terms), vectors)


def _lines(stream: BinaryIO) -> Iterator[str]:
    place = 0
    while line := stream.readline(LONGEST_LINE + 1):
        place += 1
        if len(line) > LONGEST_LINE:
            raise TooLarge(f"line {place} of the vectors has more than {LONGEST_LINE} bytes")
        try:
            yield line.decode("utf-8").rstrip("\r\n ")
        except UnicodeDecodeError:
            raise InvalidInput(f"line {place} of the vectors is not UTF-8") from None


def _header(line: str) -> tuple[int, int]:
    parts = [_whole(part) for part in line.split(" ")]
    if len(parts) != 2 or not parts[0] or not parts[1]:
        raise InvalidInput("line 1 of the vectors must have two whole numbers above 0: words and dimension")
    if parts[1] > MOST_DIMENSIONS or parts[0] * parts[1] > MOST_NUMBERS:
        raise TooLarge(
            f"vectors may have {MOST_DIMENSIONS} dimensions and {MOST_NUMBERS} numbers in all; "
            f"these have {parts[0]} × {parts[1]}"
        )
    return parts[0], parts[1]


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def _new(term: str, terms: Mapping[str, None], place: int) -> None:
    if not term or term.split() != [term] or not term.isprintable():
        found = (
            f"begins with {term[:50]!r}, which cannot be printed as a word" if term else "begins with no word"
        )
        raise InvalidInput(
            f"line {place} of the vectors {found}; delete that line, and take one off the number of words in "
            "line 1"
        )
    if term in terms:
        raise InvalidInput(f"line {place} of the vectors has a word that stands there already: {term[:50]!r}")


def _numbers(text: str, dimension: int, place: int) -> NDArray[np.float32]:
    try:
        row = np.array([float(number) for number in text.split(" ")])
    except ValueError:
        row = np.zeros(0)
    # A comparison with NaN is false.
    if len(row) != dimension or not np.all(np.abs(row) <= np.finfo(np.float32).max):
        raise InvalidInput(f"line {place} of the vectors must have a word and {dimension} finite numbers")
    return row.astype(np.float32)
