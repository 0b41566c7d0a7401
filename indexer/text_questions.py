"""Questions that a collection's own texts ask, for attention to learn from where nobody has judged any.

A title asks for its text, a heading for its section, a sentence for the passage it was taken from.  What asks
is left out of the passage that answers, or the answer would be there word for word; so would it be in other
passages of the same document, which overlap, and these are no candidates.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from indexer.sentences import paragraphs, sentences
from indexer.store.passages import IndexedText
from search.text.analyzer import Analyzer

TERMS_MIN, TERMS_MAX = 3, 40
"""Words of a sentence that can be a question."""
TITLE_TERMS_MIN = 2
REST_MIN = 0.3
"""Share of a passage that must be left when a sentence is taken out of it."""


@dataclass(frozen=True, slots=True)
class TextQuestion:
    """A question of a collection's own, and the passage that answers it as it is without the question."""

    text: str
    document: int
    answer: IndexedText


def questions_of(
    passage: IndexedText,
    document: int,
    titles: Mapping[str, int],
    headings: Mapping[str, int],
    analyzer: Analyzer,
    generator: np.random.Generator,
) -> Iterator[TextQuestion]:
    """Yield what a passage can be asked by.

    Args:
        passage: as it is indexed.
        document: its document.
        titles: title -> how many documents have it; one of several tells none of them.
        headings: path of headings -> how many passages have it.
        analyzer: counts words.
        generator: chooses the sentence.
    """
    title, heading = passage.title.strip(), passage.heading.strip()
    if titles[passage.title] == 1 and len(analyzer.terms(title)) >= TITLE_TERMS_MIN:
        yield TextQuestion(title, document, IndexedText(passage.id, "", passage.heading, passage.text))
    if heading and headings[passage.heading] == 1 and len(analyzer.terms(heading)) >= TITLE_TERMS_MIN:
        yield TextQuestion(heading, document, IndexedText(passage.id, passage.title, "", passage.text))
    spans = [
        (start, end)
        for first, last in paragraphs(passage.text, 0, len(passage.text))
        for start, end in sentences(passage.text, first, last)
        if end - start <= (1 - REST_MIN) * len(passage.text)
    ]
    for place in generator.permutation(len(spans)).tolist():
        start, end = spans[place]
        sentence = passage.text[start:end]
        if TERMS_MIN <= len(analyzer.terms(sentence)) <= TERMS_MAX:
            rest = f"{passage.text[:start].rstrip()} {passage.text[end:].lstrip()}".strip()
            yield TextQuestion(
                sentence, document, IndexedText(passage.id, passage.title, passage.heading, rest)
            )
            return
