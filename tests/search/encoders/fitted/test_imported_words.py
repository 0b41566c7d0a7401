"""Vectors that were made elsewhere become an encoder of the words that a collection has."""

from dataclasses import replace

import numpy as np
import pytest

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.imported_words import fit_imported, rows_of
from search.encoders.fitted.word_vectors import WordVectors, open_words
from search.errors import InvalidInput, TooLittleToLearn

PASSAGES = [
    LearningPassage(0, "", "Universities teach. The university teaches pandas."),
    LearningPassage(1, "", "大熊猫吃竹子"),
]
VECTORS = "5 3\nteaching 1 0 0\nteaches 0 1 0\nuniversity 3 4 0\nzebra 1 1 1\n竹子 0 2 0\n".encode()


@pytest.fixture
def imported(fit_of, tmp_path):
    """Returns a function that makes a fit of passages by a file of vectors."""

    def make(vectors, passages=PASSAGES):
        (tmp_path / "given").write_bytes(vectors)
        fit = replace(fit_of(passages), given=tmp_path / "given")
        fit_imported(fit)
        return fit.output

    return make


def test_a_term_takes_the_word_like_it_then_its_usual_spelling_then_the_first_that_is_read_as_it(analyzer):
    vocabulary = CountedVocabulary(
        ["panda", "teach", "universiti"], [1, 2, 2], [1, 1, 1], ["pandas", "teaches", "uni"], 1
    )
    words = ["university", "universe", "teaching", "teaches", "teach"]
    assert rows_of(vocabulary, words, analyzer).tolist() == [-1, 4, 0]
    assert rows_of(vocabulary, words[:4], analyzer).tolist() == [-1, 3, 0]
    assert rows_of(vocabulary, words[:3], analyzer).tolist() == [-1, 2, 0]


def test_a_text_is_the_mean_of_the_words_it_knows_weighted_by_the_counts_of_the_collection(
    imported, analyzer
):
    folder = imported(VECTORS)
    words = WordVectors.open(folder)
    assert dict(zip(words.vocabulary.surfaces, words.vocabulary.counts, strict=True)) == {
        "teach": 2,
        "Universities": 2,
        "竹子": 1,
    }
    assert words.vectors.tolist() == [[1, 0, 0], [3, 4, 0], [0, 2, 0]]
    rows = open_words(folder, analyzer).encode(["university bamboo 竹子", "panda zebra"], "query")
    # Shares .4 and .2 of five words; weights .001 / .401 and .001 / .201; so few passages share nothing.
    expected = np.array([3 / 0.401, 4 / 0.401 + 2 / 0.201, 0])
    np.testing.assert_allclose(rows[0], expected / np.linalg.norm(expected), rtol=1e-5)
    assert rows[1].tolist() == [0, 0, 0]


def test_what_cannot_be_used_is_told(imported):
    with pytest.raises(TooLittleToLearn, match="have none of the 1 words"):
        imported(b"1 2\nzebra 1 2\n")
    with pytest.raises(InvalidInput, match="above 1000000; scale"):
        imported(b"1 2\npandas 1e7 2\n")
