"""``word-vectors``: words by vectors that were made elsewhere, and a text as the weighted mean of its words.

Such a file has words as they are spelt, and a collection has terms.  A term takes the vector of the word
spelt like it, as our own files have them; without one that of its usual spelling in the texts; without
that, of the first word of the file that is read as it.  Terms without a vector are left out.  How often a
word occurs, by which it is weighted, is counted in the collection.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import CountedVocabulary, Words, read
from search.encoders.fitted.word_vector_text import read_vectors
from search.encoders.fitted.word_vectors import save_word_vectors
from search.errors import InvalidInput, TooLittleToLearn
from search.text.analyzer import Analyzer

LARGEST = 1e6
"""Sums over the words of a text, and their squares, then stay far from the end of float32."""


def fit_imported(fit: Fit) -> None:
    """Write the vectors of ``fit.given`` for the words that the passages have.

    Raises:
        InvalidInput, TooLarge: the file is not of the format, or its numbers are too large.
        TooLittleToLearn: the passages have none of its words.
    """
    if fit.given is None:
        raise ValueError("there is no file of vectors to import")
    fit.progress(0, 3)
    with fit.given.open("rb") as stream:
        given = read_vectors(stream)
    if np.abs(given.vectors).max() > LARGEST:
        raise InvalidInput(f"the vectors have numbers above {LARGEST:.0f}; scale all of them down")
    fit.progress(1, 3)
    vocabulary, passages = read(fit)
    rows = rows_of(vocabulary, given.terms, fit.analyzer)
    known = np.flatnonzero(rows >= 0)
    if not known.size:
        raise TooLittleToLearn(f"the passages have none of the {len(given.terms)} words of the vectors")
    fit.progress(2, 3)
    numbers = np.full(rows.size, -1, np.int32)
    numbers[known] = np.arange(known.size)
    kept = [_known(numbers[words]) for words in passages]
    save_word_vectors(fit.output, vocabulary.among(known.tolist()), given.vectors[rows[known]], kept, {})
    fit.progress(3, 3)


def rows_of(vocabulary: CountedVocabulary, words: Sequence[str], analyzer: Analyzer) -> NDArray[np.int64]:
    """Return which of the given ``words`` each term takes its vector from ``(v,)``; -1 for none."""
    places = {word: place for place, word in enumerate(words)}
    read_as: dict[str, int] = {}
    for place, word in enumerate(words):
        terms = analyzer.terms(word)
        if len(terms) == 1:
            read_as.setdefault(terms[0], place)
    rows = (
        places.get(term, places.get(usual, read_as.get(term, -1)))
        for term, usual in zip(vocabulary.terms, vocabulary.surfaces, strict=True)
    )
    return np.fromiter(rows, dtype=np.int64)


def _known(words: Words) -> Words:
    return words[words >= 0]
