"""Pairs of texts that belong together, taken from the collection's own structure.

A question is short and its answer long, so the first of a pair is: the passage's heading; or some words of a
neighbouring passage of its document; or some words of the passage itself, of which the second then
keeps only half (the inverse cloze task, Lee et al., ACL 2019, section 4, over terms).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer

Numbers = list[int]
"""Numbers of a text's known terms in reading order."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A passage in the numbers of its terms."""

    document: int
    heading: Numbers
    text: Numbers

    @property
    def whole(self) -> Numbers:
        """The passage as ``encode`` reads it."""
        return self.heading + self.text


def lessons(passages: Sequence[LearningPassage], vocabulary: Vocabulary, analyzer: Analyzer) -> list[Lesson]:
    """Return those passages that have a known term."""
    made = (
        Lesson(
            passage.document,
            vocabulary.numbers(analyzer.terms(passage.heading)),
            vocabulary.numbers(analyzer.terms(passage.text)),
        )
        for passage in passages
    )
    return [lesson for lesson in made if lesson.whole]


class Pairs:
    """Draws a pair for each passage."""

    def __init__(self, passages: Sequence[Lesson], longest: int) -> None:
        """Cut what is learned from to ``longest`` terms."""
        self._passages = passages
        self._longest = longest
        self.documents = np.array([passage.document for passage in passages])

    def draw(self, row: int, generator: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Return short and long text of passage ``row``, each with at least one term."""
        passage = self._passages[row]
        ways = ["words"]
        if passage.heading and passage.text:
            ways.append("heading")
        neighbour = self._neighbour(row, generator)
        if neighbour is not None:
            ways.append("neighbour")
        match ways[generator.integers(len(ways))]:
            case "heading":
                return passage.heading[: self._longest], self._window(passage.text, generator)
            case "neighbour":
                return _some(neighbour or [], generator), self._window(passage.whole, generator)
            case _:
                return self._words(passage.whole, generator)

    def _neighbour(self, row: int, generator: np.random.Generator) -> Numbers | None:
        other = row + (1 if generator.random() < 0.5 else -1)
        if not 0 <= other < len(self._passages) or self.documents[other] != self.documents[row]:
            return None
        return self._passages[other].text or None

    def _words(self, whole: Numbers, generator: np.random.Generator) -> tuple[Numbers, Numbers]:
        window = self._window(whole, generator)
        question = _some(window, generator)
        asked = set(question)
        rest = [term for term in window if term not in asked or generator.random() < 0.5]
        return question, rest or window

    def _window(self, terms: Numbers, generator: np.random.Generator) -> Numbers:
        start = int(generator.integers(max(1, len(terms) - self._longest + 1)))
        return terms[start : start + self._longest]


def _some(terms: Numbers, generator: np.random.Generator) -> Numbers:
    """Return four to sixteen neighbouring terms, less where there are not as many."""
    count = min(len(terms), int(generator.integers(4, 17)))
    start = int(generator.integers(len(terms) - count + 1))
    return terms[start : start + count]
