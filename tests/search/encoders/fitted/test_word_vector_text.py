"""Word vectors go out as text and come back, and gensim reads them; a wrong file is refused in a sentence."""

from io import BytesIO

import numpy as np
import pytest
from gensim.models import KeyedVectors

from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.word_vector_text import LONGEST_LINE, count_lines, read_vectors, vector_lines
from search.encoders.fitted.word_vectors import WordVectors
from search.errors import InvalidInput, TooLarge

VECTORS = np.array([[0.1, -3e-38], [1 / 3, 2e30], [7, 0]], np.float32)
WORDS = WordVectors(
    CountedVocabulary(["coffe", "tea", "茶叶"], [2, 5, 5], [1, 2, 2], ["coffee", "tea", "茶叶"], 3),
    VECTORS,
    np.zeros(2, np.float32),
)


def test_what_is_written_is_read_to_the_last_bit_by_us_and_by_gensim(tmp_path):
    (tmp_path / "vectors").write_bytes(b"".join(vector_lines(WORDS)))
    (tmp_path / "words").write_bytes(b"".join(count_lines(WORDS)))
    with (tmp_path / "vectors").open("rb") as stream:
        read = read_vectors(stream)
    assert read.terms == ["tea", "茶叶", "coffe"]
    assert np.array_equal(read.vectors, VECTORS[[1, 2, 0]])
    theirs = KeyedVectors.load_word2vec_format(tmp_path / "vectors", fvocab=tmp_path / "words")
    assert (theirs.index_to_key, theirs.get_vecattr("tea", "count")) == (read.terms, 5)
    assert np.array_equal(theirs.vectors, read.vectors)


def test_what_gensim_writes_is_read_to_the_last_bit(tmp_path):
    theirs = KeyedVectors(2)
    theirs.add_vectors(["tea", "茶叶", "coffe"], VECTORS)
    theirs.save_word2vec_format(tmp_path / "vectors")
    with (tmp_path / "vectors").open("rb") as stream:
        read = read_vectors(stream)
    assert (read.terms, read.vectors.tolist()) == (["tea", "茶叶", "coffe"], VECTORS.tolist())


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (b"", "line 1"),
        (b"1\n", "line 1"),
        (b"0 2\n", "line 1"),
        (b"-1 2\n", "line 1"),
        ("１ 2\n".encode(), "line 1"),
        (b"2 2\ntea 1 2\n", "end after 1 of the 2"),
        (b"1 2\ntea 1 2\nmilk 1 2\n", "more lines than the 1"),
        (b"2 2\ntea 1 2\ntea 1 2\n", "already: 'tea'"),
        (b"1 2\n 1 2\n", "line 2 of the vectors begins with no word; delete that line, and take one off"),
        (b"1 2\nt\x1b[2J 1 2\n", r"line 2 of the vectors begins with 't\\x1b\[2J', which cannot be printed"),
        ("2 1\na 1\nb\xa0c 1\n".encode(), r"line 3 of the vectors begins with 'b\\xa0c'"),
        (b"1 2\ntea 1\n", "2 finite numbers"),
        (b"1 2\ntea 1 2 3\n", "2 finite numbers"),
        (b"1 2\ntea 1 nan\n", "2 finite numbers"),
        (b"1 2\ntea 1 1e39\n", "2 finite numbers"),
        (b"1 2\ntea 1 x\n", "2 finite numbers"),
        (b"1 2\n\xff 1 2\n", "line 2 of the vectors is not UTF-8"),
    ],
)
def test_a_wrong_file_is_refused(vectors, said):
    with pytest.raises(InvalidInput, match=said):
        read_vectors(BytesIO(vectors))


@pytest.mark.parametrize("vectors", [b"999999999 300\n", b"1 5000\n", b"1 2\n" + b"a" * (LONGEST_LINE + 1)])
def test_what_is_too_large_is_refused_before_it_is_read(vectors):
    with pytest.raises(TooLarge):
        read_vectors(BytesIO(vectors))
