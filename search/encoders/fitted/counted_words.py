"""Which words a collection has, how often, and how they are spelt: what kinds that count words start from.

``vocabulary.json`` is the one file format of it; the number of a word is its place in the sorted terms.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from search.encoders.fitted.base import Fit
from search.errors import TooLittleToLearn
from search.text.analyzer import Analyzer

T = TypeVar("T")

FILE = "vocabulary.json"

Words = NDArray[np.int32]
"""Numbers of words ``(n,)`` in reading order."""


@dataclass(frozen=True)
class CountedVocabulary:
    """The terms of a collection and what was counted of each; all sequences are parallel."""

    terms: Sequence[str]
    """In ascending order."""
    counts: Sequence[int]
    """Occurrences in the whole collection."""
    passage_counts: Sequence[int]
    """How many passages have it."""
    surfaces: Sequence[str]
    """Its most frequent spelling in the texts; of equally frequent ones the first in order."""
    passages: int
    """How many passages the collection has."""

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Term -> its number."""
        return {term: number for number, term in enumerate(self.terms)}

    def words(self, terms: Sequence[str]) -> Words:
        """Return the numbers of those ``terms`` that are known, in their order."""
        known = (self.numbers.get(term) for term in terms)
        return np.fromiter((number for number in known if number is not None), dtype=np.int32)

    def among(self, numbers: Sequence[int]) -> "CountedVocabulary":
        """Return the vocabulary of those words alone; ``numbers`` ascend."""

        def of(values: Sequence[T]) -> list[T]:
            return [values[number] for number in numbers]

        return CountedVocabulary(
            of(self.terms), of(self.counts), of(self.passage_counts), of(self.surfaces), self.passages
        )

    def save(self, folder: Path) -> None:
        """Write ``vocabulary.json`` into ``folder``."""
        fields = {name: list(getattr(self, name)) for name in _LISTS} | {"passages": self.passages}
        (folder / FILE).write_text(json.dumps(fields, ensure_ascii=False), "utf-8")

    @classmethod
    def open(cls, folder: Path) -> "CountedVocabulary":
        """Return what ``save`` wrote into ``folder``."""
        return cls(**json.loads((folder / FILE).read_text("utf-8")))


_LISTS = ("terms", "counts", "passage_counts", "surfaces")


def read(fit: Fit) -> tuple[CountedVocabulary, list[Words]]:
    """Return the vocabulary of a collection, and its passages as word numbers.

    Raises:
        TooLittleToLearn: no passage has a word.
    """
    spellings: dict[str, Counter[str]] = {}
    passages = [_terms(passage.input, fit.analyzer, spellings) for passage in fit.passages]
    if not spellings:
        raise TooLittleToLearn("the passages have no words to learn from; add documents with text")
    held = Counter(term for terms in passages for term in set(terms))
    terms = sorted(spellings)
    vocabulary = CountedVocabulary(
        terms,
        [spellings[term].total() for term in terms],
        [held[term] for term in terms],
        [_usual(spellings[term]) for term in terms],
        len(passages),
    )
    return vocabulary, [vocabulary.words(terms) for terms in passages]


def _terms(text: str, analyzer: Analyzer, spellings: dict[str, Counter[str]]) -> list[str]:
    """Return the terms of ``text``, having counted how each is spelt."""
    tokens = analyzer.tokens(text)
    for token in tokens:
        spellings.setdefault(token.term, Counter())[text[token.start : token.end]] += 1
    return [token.term for token in tokens]


def _usual(spelt: Counter[str]) -> str:
    return min(spelt, key=lambda spelling: (-spelt[spelling], spelling))
