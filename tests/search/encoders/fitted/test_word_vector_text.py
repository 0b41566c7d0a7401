"""Word vectors go out as text and come back, and gensim reads them; a wrong file is refused in a sentence."""

from io import BytesIO

import numpy as np
import pytest
from gensim.models import KeyedVectors

from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.word_vector_text import LONGEST_LINE, read_vectors, write_vectors
from search.encoders.fitted.word_vectors import WordVectors
from search.errors import InvalidInput, TooLarge

VECTORS = np.array([[0.1, -3e-38], [1 / 3, 2e30], [7, 0]], np.float32)
WORDS = WordVectors(
    CountedVocabulary(["coffe", "tea", "茶叶"], [2, 5, 5], [1, 2, 2], ["coffee", "tea", "茶叶"], 3),
    VECTORS,
    np.zeros(2, np.float32),
)


def test_what_is_written_is_read_to_the_last_bit_by_us_and_by_gensim(tmp_path):
    with (tmp_path / "vectors").open("wb") as vectors, (tmp_path / "words").open("wb") as vocabulary:
        write_vectors(WORDS, vectors, vocabulary)
    with (tmp_path / "vectors").open("rb") as vectors, (tmp_path / "words").open("rb") as vocabulary:
        read = read_vectors(vectors, vocabulary)
    assert (read.terms, read.counts) == (["tea", "茶叶", "coffe"], [5, 5, 2])
    assert np.array_equal(read.vectors, VECTORS[[1, 2, 0]])
    theirs = KeyedVectors.load_word2vec_format(tmp_path / "vectors", fvocab=tmp_path / "words")
    assert (theirs.index_to_key, theirs.get_vecattr("tea", "count")) == (read.terms, 5)
    assert np.array_equal(theirs.vectors, read.vectors)


@pytest.mark.parametrize(
    ("vectors", "vocabulary", "said"),
    [
        (b"", b"", "line 1"),
        (b"1\n", b"", "line 1"),
        (b"0 2\n", b"", "line 1"),
        (b"-1 2\n", b"", "line 1"),
        ("１ 2\n".encode(), b"", "line 1"),
        (b"2 2\ntea 1 2\n", b"tea 1\n", "end after 1 of the 2"),
        (b"1 2\ntea 1 2\nmilk 1 2\n", b"tea 1\n", "more lines than the 1"),
        (b"2 2\ntea 1 2\ntea 1 2\n", b"tea 1\n", "already: 'tea'"),
        (b"1 2\n 1 2\n", b"tea 1\n", "line 2 of the vectors does not begin"),
        (b"1 2\nt\x1b[2J 1 2\n", b"tea 1\n", "line 2 of the vectors does not begin"),
        (b"1 2\ntea 1\n", b"tea 1\n", "2 finite numbers"),
        (b"1 2\ntea 1 2 3\n", b"tea 1\n", "2 finite numbers"),
        (b"1 2\ntea 1 nan\n", b"tea 1\n", "2 finite numbers"),
        (b"1 2\ntea 1 1e39\n", b"tea 1\n", "2 finite numbers"),
        (b"1 2\ntea 1 x\n", b"tea 1\n", "2 finite numbers"),
        (b"1 2\n\xff 1 2\n", b"tea 1\n", "line 2 of the vectors is not UTF-8"),
        (b"1 2\ntea 1 2\n", b"", "different words"),
        (b"1 2\ntea 1 2\n", b"milk 1\n", "different words"),
        (b"1 2\ntea 1 2\n", b"tea 0\n", "count above 0"),
        (b"1 2\ntea 1 2\n", b"tea\n", "count above 0"),
        (b"1 2\ntea 1 2\n", b"tea 1\nmilk 1\n", "more lines"),
    ],
)
def test_a_wrong_file_is_refused(vectors, vocabulary, said):
    with pytest.raises(InvalidInput, match=said):
        read_vectors(BytesIO(vectors), BytesIO(vocabulary))


@pytest.mark.parametrize("vectors", [b"999999999 300\n", b"1 5000\n", b"1 2\n" + b"a" * (LONGEST_LINE + 1)])
def test_what_is_too_large_is_refused_before_it_is_read(vectors):
    with pytest.raises(TooLarge):
        read_vectors(BytesIO(vectors), BytesIO())
