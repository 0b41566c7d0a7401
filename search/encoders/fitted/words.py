"""What word vectors say of words: neighbours, likeness, analogies, the odd one out, typical contexts.

A word is typed as anybody would write it, and is read by the analyzer; answers show the usual spelling.
Likeness is the cosine.  "a is to b as c is to ?" is the word nearest to b - a + c, all of unit length,
the three apart (3CosAdd: Levy and Goldberg, CoNLL 2014, section 3).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from search.arrays import Vector, unit_rows
from search.encoders.fitted.word_vectors import CONTEXTS, FILE, WordVectors
from search.errors import InvalidInput, UnknownWord
from search.registry import nearest
from search.text.analyzer import Analyzer

LONGEST_WORD = 100
"""In characters."""
_SPELT_LIKE = 2
"""How many characters longer or shorter a word may be that another is a slip for."""


@dataclass(frozen=True, slots=True)
class ScoredWord:
    """A word of an answer."""

    word: str
    """As it is usually spelt."""
    score: float
    """Cosine (-1 to 1); of a context its PPMI, above 0."""


@dataclass(frozen=True, slots=True)
class PlacedWord(ScoredWord):
    """A word and where it stands in a picture of a neighbourhood."""

    x: float
    y: float
    """From -1 to 1; the greater part of what tells the words apart runs along ``x``."""


class Words:
    """The words of a collection that has an encoder of word vectors."""

    def __init__(self, folder: Path, analyzer: Analyzer) -> None:
        """Open the files that such an encoder is served from."""
        self._words = WordVectors.open(folder)
        self._analyzer = analyzer
        self._rows = unit_rows(self._words.vectors)
        arrays = load_file(folder / FILE)
        self._contexts = [arrays[name] for name in CONTEXTS] if CONTEXTS[0] in arrays else None

    @property
    def vectors(self) -> WordVectors:
        """The words with their counts and vectors, as they were learned."""
        return self._words

    def neighbours(self, word: str, count: int) -> list[ScoredWord]:
        """Return the ``count`` words nearest to a word, without it.

        Raises:
            UnknownWord: the collection has no such word; so every method.
            InvalidInput: it is not one word; so every method.
        """
        number = self._number(word)
        return self._best(self._rows[number], {number}, count)

    def neighbourhood(self, word: str, count: int) -> list[PlacedWord]:
        """Return a word and its neighbours, placed by the two directions in which they differ most.

        These are the first two principal components: Pearson, On lines and planes of closest fit to systems
        of points in space, Philosophical Magazine 2(11), 1901.
        """
        number = self._number(word)
        numbers = [number, *self._nearest(self._rows[number], {number}, count)]
        rows = self._rows[numbers].astype(np.float64)
        left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
        places = np.zeros((len(numbers), 2))
        places[:, : values.size] = (left * values)[:, :2]
        places *= np.where(places[0] > 0, -1, 1)  # the word itself stands on the same side each time
        places /= max(np.abs(places).max(), 1e-12)
        scores = rows @ rows[0]
        return [
            PlacedWord(self._words.vocabulary.surfaces[each], float(score), float(x), float(y))
            for each, score, (x, y) in zip(numbers, scores, places, strict=True)
        ]

    def similarity(self, one: str, other: str) -> float:
        """Return the cosine of two words."""
        return float(self._rows[self._number(one)] @ self._rows[self._number(other)])

    def analogy(self, one: str, other: str, third: str, count: int) -> list[ScoredWord]:
        """Return the ``count`` words that are to ``third`` what ``other`` is to ``one``, best first."""
        a, b, c = (self._number(word) for word in (one, other, third))
        target = unit_rows((self._rows[b] - self._rows[a] + self._rows[c])[None, :])[0]
        return self._best(target, {a, b, c}, count)

    def odd_one_out(self, words: Sequence[str]) -> ScoredWord:
        """Return that of three or more ``words``, as typed, which is least like the mean of all, and how."""
        if len(words) < 3:
            raise InvalidInput("give three words or more to find the odd one among")
        rows = self._rows[[self._number(word) for word in words]]
        scores = rows @ unit_rows(rows.mean(axis=0, keepdims=True))[0]
        odd = int(np.argmin(scores))
        return ScoredWord(words[odd], float(scores[odd]))

    def contexts(self, word: str, count: int) -> list[ScoredWord]:
        """Return the ``count`` words of highest PPMI beside a word, of the few that are kept of each.

        Raises:
            InvalidInput: these vectors were not made of counts of neighbours.
        """
        number = self._number(word)
        if self._contexts is None:
            raise InvalidInput("only the encoder cooccurrence knows contexts; ask it for them")
        ends, others, scores = self._contexts
        kept = range(int(ends[number]), int(ends[number + 1]))[:count]
        return [self._scored(int(others[place]), float(scores[place])) for place in kept]

    def _best(self, target: Vector, without: Collection[int], count: int) -> list[ScoredWord]:
        found = self._nearest(target, without, count)
        return [self._scored(number, float(self._rows[number] @ target)) for number in found]

    def _nearest(self, target: Vector, without: Collection[int], count: int) -> list[int]:
        order = np.argsort(-(self._rows @ target), kind="stable")[: count + len(without)]
        return [number for number in order.tolist() if number not in without][:count]

    def _scored(self, number: int, score: float) -> ScoredWord:
        return ScoredWord(self._words.vocabulary.surfaces[number], score)

    def _number(self, word: str) -> int:
        """Return the number of a typed word."""
        if len(word) > LONGEST_WORD:
            raise InvalidInput(f"a word has at most {LONGEST_WORD} characters, not {len(word)}")
        terms = self._analyzer.terms(word)
        if len(terms) > 1:
            raise InvalidInput(f"type one word at a time; {word!r} is read as {', '.join(terms)}")
        numbers = self._words.vocabulary.numbers
        if not terms or terms[0] not in numbers:
            raise self._unknown(word)
        return numbers[terms[0]]

    def _unknown(self, word: str) -> UnknownWord:
        spelt = self._words.vocabulary.surfaces
        alike = nearest(word, (other for other in spelt if abs(len(other) - len(word)) <= _SPELT_LIKE))
        hint = f"did you mean {' or '.join(alike)}?" if alike else "use a word of its documents"
        return UnknownWord(f"the collection has no word {word!r}; {hint}", nearest=alike)
