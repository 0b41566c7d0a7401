"""Which terms a fitted encoder knows, in which order, and how much each tells.

Inverse document frequency: Spärck Jones, "A statistical interpretation of term specificity", Journal of
Documentation 28(1), 1972, smoothed as if every term stood in one passage more:
``idf(t) = ln((1 + n) / (1 + df(t))) + 1``.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from search.arrays import Vector
from search.errors import TooLittleToLearn

FILE = "vocabulary.json"


class Vocabulary:
    """Terms in alphabetical order, numbered from 0."""

    def __init__(self, terms: Sequence[str]) -> None:
        self.terms = tuple(terms)
        self._numbers: Mapping[str, int] = {term: number for number, term in enumerate(terms)}

    def __len__(self) -> int:
        return len(self.terms)

    def __contains__(self, term: str) -> bool:
        return term in self._numbers

    def numbers(self, terms: Iterable[str]) -> list[int]:
        """Return the numbers of those ``terms`` that are known, in their order."""
        return [self._numbers[term] for term in terms if term in self._numbers]

    def write(self, folder: Path) -> None:
        """Write the terms to a file of ``folder``."""
        (folder / FILE).write_text(json.dumps(self.terms, ensure_ascii=False), "utf-8")

    @staticmethod
    def read(folder: Path) -> "Vocabulary":
        """Read what ``write`` wrote."""
        return Vocabulary(json.loads((folder / FILE).read_bytes()))


def learn_vocabulary(passages: Sequence[Sequence[str]], most: int) -> tuple[Vocabulary, Vector]:
    """Return the ``most`` terms that stand in most passages, and the IDF of each, shape ``(terms,)``.

    Raises:
        TooLittleToLearn: no passage has a term.
    """
    document_frequency = Counter(term for passage in passages for term in set(passage))
    if not document_frequency:
        raise TooLittleToLearn("the collection has no words to learn from; add documents with text")
    frequent = sorted(document_frequency, key=lambda term: (-document_frequency[term], term))[:most]
    terms = sorted(frequent)
    counts = np.array([document_frequency[term] for term in terms])
    idf = np.log((1 + len(passages)) / (1 + counts)) + 1
    return Vocabulary(terms), idf.astype(np.float32)
