"""What is said of words, against vectors that can be reckoned by hand, and against gensim."""

import numpy as np
import pytest
from gensim.models import KeyedVectors
from sklearn.decomposition import PCA

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.word_vectors import save_word_vectors
from search.encoders.fitted.words import ScoredWord, Words
from search.errors import InvalidInput, UnknownWord
from tests.contracts.test_fitted_encoders import analyzer, fit

SURFACES = {
    "king": "King",
    "man": "man",
    "plant": "plants",
    "queen": "queen",
    "woman": "woman",
    "茶叶": "茶叶",
}
VECTORS = np.array([[3, 0, 3], [1, 0, 0], [0, 0, 1], [0, 2, 2], [0, 5, 0.5], [-1, -1, 0]], np.float32)


@pytest.fixture
def words(tmp_path):
    vocabulary = CountedVocabulary(list(SURFACES), [1] * 6, [1] * 6, list(SURFACES.values()), 1)
    save_word_vectors(tmp_path, vocabulary, VECTORS, [], {})
    return Words(tmp_path, analyzer())


@pytest.fixture
def theirs():
    keyed = KeyedVectors(3)
    keyed.add_vectors(list(SURFACES.values()), VECTORS)
    return keyed


def told(found):
    return [(scored.word, pytest.approx(scored.score, abs=1e-6)) for scored in found]


def test_neighbours_are_those_of_gensim(words, theirs):
    assert theirs.most_similar("King", topn=4) == told(words.neighbours("kings", 4))
    assert words.neighbours("king", 1) == [ScoredWord("man", pytest.approx(1 / np.sqrt(2)))]
    assert len(words.neighbours("茶葉", 99)) == 5


def test_similarity_is_the_cosine(words):
    assert words.similarity("King", "queen") == pytest.approx(0.5)


def test_analogies_are_those_of_gensim(words, theirs):
    expected = theirs.most_similar(positive=["King", "woman"], negative=["man"], topn=2)
    assert expected == told(words.analogy("man", "king", "woman", 2))
    assert words.analogy("man", "king", "woman", 1)[0].word == "queen"


def test_the_odd_one_out_is_that_of_gensim(words, theirs):
    assert words.odd_one_out(["queen", "woman", "茶叶"]).word == "茶叶"
    assert words.odd_one_out(["man", "King", "woman"]).word == theirs.doesnt_match(["man", "King", "woman"])
    with pytest.raises(InvalidInput, match="three"):
        words.odd_one_out(["man", "king"])


def test_an_unknown_word_is_told_with_what_is_spelt_like_it(words):
    with pytest.raises(UnknownWord, match="no word 'quen'; did you mean queen") as raised:
        words.neighbours("quen", 3)
    assert raised.value.details["nearest"] == ["queen"]
    for word in ("zzzzzz", "", "?"):
        with pytest.raises(UnknownWord, match="use a word of its documents"):
            words.similarity("king", word)


@pytest.mark.parametrize(("word", "said"), [("king and queen", "one word"), ("k" * 101, "at most 100")])
def test_what_is_not_one_word_is_refused(words, word, said):
    with pytest.raises(InvalidInput, match=said):
        words.neighbours(word, 3)


def test_contexts_are_those_of_highest_ppmi(tmp_path):
    # Window 5 holds each passage whole; N is 2 for coffee-milk, 1 for tea-milk and tea-leaf.
    lines = ["Milk coffee", "coffee milk", "tea milk", "tea leaf"]
    folder = fit("cooccurrence", tmp_path, [LearningPassage(0, "", line) for line in lines])
    words = Words(folder, analyzer())
    smoothed = {"coffee": 2**0.75, "leaf": 1, "milk": 3**0.75, "tea": 2**0.75}
    total = sum(smoothed.values())
    leaf, milk = np.log(total / 2 / smoothed["leaf"]), np.log(total / 2 / smoothed["milk"])
    assert words.contexts("tea", 9) == [
        ScoredWord("leaf", pytest.approx(leaf)), ScoredWord("milk", pytest.approx(milk)),
    ]  # fmt: skip
    assert words.contexts("tea", 1) == words.contexts("tea", 9)[:1]


def test_contexts_are_known_where_neighbours_were_counted(words):
    with pytest.raises(InvalidInput, match="cooccurrence"):
        words.contexts("king", 3)


def test_a_neighbourhood_is_placed_by_its_principal_components(words):
    placed = words.neighbourhood("king", 4)
    assert [each.word for each in placed[1:]] == [each.word for each in words.neighbours("king", 4)]
    assert [each.score for each in placed[1:]] == pytest.approx(
        [each.score for each in words.neighbours("king", 4)]
    )
    surfaces = list(SURFACES.values())
    rows = VECTORS[[surfaces.index(each.word) for each in placed]]
    expected = PCA(2).fit_transform(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    found = np.array([(each.x, each.y) for each in placed])
    assert np.abs(found).max() == pytest.approx(1) and (found[0] <= 0).all()
    np.testing.assert_allclose(np.abs(found), np.abs(expected / np.abs(expected).max()), atol=1e-5)
