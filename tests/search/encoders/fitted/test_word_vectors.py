"""What the kinds that give words vectors compute: by hand, by NumPy over whole matrices, and by gensim."""

from itertools import product

import numpy as np
import pytest
from gensim.models import Word2Vec
from scipy.sparse import csr_array

from search.encoders.fitted.base import Fit, LearningPassage
from search.encoders.fitted.catalog import TRAINERS
from search.encoders.fitted.cooccurrence_training import cooccurrences, ppmi
from search.encoders.fitted.counted_words import CountedVocabulary
from search.encoders.fitted.word2vec_training import OUTPUTS, learn_on, untrained
from search.encoders.fitted.word_vectors import FILE, WordVectors, load_file
from search.errors import TooLittleToLearn
from tests.contracts.test_fitted_encoders import SEED, analyzer, fit, opened, passages

LINES = [np.array([0, 1, 2], np.int32), np.array([1, 0], np.int32)]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_words_are_counted_within_the_window_and_the_passage():
    assert cooccurrences(LINES, 3, 1).toarray().tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]
    assert cooccurrences(LINES, 3, 2).toarray().tolist() == [[0, 2, 1], [2, 0, 1], [1, 1, 0]]
    alike = [np.array([0, 0], np.int32)]
    assert cooccurrences(alike, 1, 3).toarray().tolist() == [[2]]


def test_ppmi_is_that_of_a_hand_calculation():
    # N(w) = 2, 3, 1; to the power of .75: 1.6818, 2.2795, 1, together 4.9613.
    found = ppmi(cooccurrences(LINES, 3, 1)).toarray()
    expected = [[0, 2 * 4.9613 / (2 * 2.2795), 0], [2 * 4.9613 / (3 * 1.6818), 0, 4.9613 / 3], [0, 2.1765, 0]]
    assert found[found > 0] == pytest.approx(np.log([e for row in expected for e in row if e]), abs=1e-4)
    assert (found > 0).tolist() == [[False, True, False], [True, False, True], [False, True, False]]


def test_words_that_meet_less_than_by_chance_have_no_ppmi():
    counts = np.array([[8, 1, 0], [1, 8, 3], [0, 3, 0]], float)
    totals = counts.sum(axis=1)
    smoothed = totals**0.75 / (totals**0.75).sum()
    expected = np.zeros((3, 3))
    for word, context in product(range(3), repeat=2):
        if counts[word, context]:
            chance = totals[word] * smoothed[context]
            expected[word, context] = max(0, np.log(counts[word, context] / chance))
    found = ppmi(csr_array(counts))
    assert expected[0, 1] == 0 and found.nnz == np.count_nonzero(expected)
    assert np.allclose(found.toarray(), expected)


def test_cooccurrence_vectors_are_left_singular_vectors_by_root_of_value(tmp_path):
    learned_from = passages()[:3]
    words = WordVectors.open(fit("cooccurrence", tmp_path, learned_from))
    lines = [words.vocabulary.words(analyzer().terms(passage.input)) for passage in learned_from]
    left, values, _ = np.linalg.svd(ppmi(cooccurrences(lines, len(words.vectors), 5)).toarray())
    length = words.vectors.shape[1]
    expected = (left[:, :length] * values[:length]) @ left[:, :length].T
    # The last of the directions that are kept are found roughly.
    assert np.abs(words.vectors @ words.vectors.T - expected).max() < 0.05 * values[0]
    assert [
        np.linalg.norm(words.vectors[:, 0]) ** 2,
        np.linalg.norm(words.vectors[:, 1]) ** 2,
    ] == pytest.approx(values[:2], rel=1e-3)


def test_words_without_neighbours_are_refused(tmp_path):
    with pytest.raises(TooLittleToLearn, match="beside"):
        fit("cooccurrence", tmp_path, [LearningPassage(0, "", "tea"), LearningPassage(1, "", "coffee")])


def many():
    """More passages than a vector has numbers: every sentence is one."""
    sentences = [part for passage in passages() for part in passage.text.replace("。", ". ").split(". ")]
    return [LearningPassage(number, "", text) for number, text in enumerate(sentences)]


def test_a_text_is_the_smoothed_mean_of_its_words_less_what_all_share(tmp_path):
    folder = fit("word2vec-cbow", tmp_path, many())
    words = WordVectors.open(folder)
    numbers, counts = words.vocabulary.numbers, words.vocabulary.counts

    def mean(text):
        terms = [numbers[term] for term in analyzer().terms(text)]
        weights = [0.001 / (0.001 + counts[term] / sum(counts)) for term in terms]
        return np.average(words.vectors[terms].astype(float), axis=0, weights=weights)

    rows = unit(np.array([mean(p.text) for p in many() if analyzer().terms(p.text)]))
    common = np.linalg.svd(rows)[2][0]
    assert abs(common @ words.common) == pytest.approx(1, abs=1e-5)
    expected = [mean(text) - (mean(text) @ common) * common for text in ("coffee and tea", "水和茶叶")]
    found = opened("word2vec-cbow", folder).encode(["coffee and tea", "水和茶叶"], "query")
    assert np.allclose(found, unit(np.array(expected)), atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "skipgram", "window"), [("word2vec-cbow", 0, 10), ("word2vec-skipgram", 1, 5)]
)
def test_vectors_are_those_of_gensim(kind, skipgram, window, tmp_path):
    words = WordVectors.open(fit(kind, tmp_path, passages()))
    theirs = Word2Vec(
        [analyzer().terms(passage.input) for passage in passages()], sg=skipgram, seed=SEED, workers=1,
        vector_size=100, window=window, min_count=1, negative=10, sample=1e-3, epochs=40,
    )  # fmt: skip
    assert set(theirs.wv.key_to_index) == set(words.vocabulary.terms)
    assert np.array_equal(words.vectors, theirs.wv[list(words.vocabulary.terms)])


def fitted_on(folder, previous, learned_from):
    """Return what is learned from passages by who has learned before, and the progress told of."""
    told = []
    folder.mkdir()
    TRAINERS.create(
        "word2vec-cbow",
        fit=Fit(learned_from, analyzer(), SEED, folder, folder, previous, lambda *parts: told.append(parts)),
    )
    return WordVectors.open(folder), told


def test_learning_on_starts_with_what_was_learned_and_knows_new_words(tmp_path):
    before = fit("word2vec-cbow", tmp_path / "before", passages()[:20])
    known, arrays = CountedVocabulary.open(before), load_file(before / FILE)
    lines = [analyzer().terms(passage.input) for passage in passages()[5:]]
    terms = sorted({term for line in lines for term in line})
    model = untrained(False, SEED, 1)
    learn_on(model, before, CountedVocabulary(terms, [], [], [], len(lines)), lines)
    assert set(model.wv.key_to_index) == set(terms)
    assert set(known.terms) - set(terms) and set(terms) - set(known.terms)
    for number, term in enumerate(known.terms):
        if term in model.wv:
            assert np.array_equal(model.wv[term], arrays["vectors"][number])
            assert np.array_equal(model.syn1neg[model.wv.key_to_index[term]], arrays[OUTPUTS][number])


def test_earlier_words_keep_learning_and_their_counts_are_the_collections(tmp_path):
    before = fit("word2vec-cbow", tmp_path / "before", passages()[:20])
    old = WordVectors.open(before)
    after, told = fitted_on(tmp_path / "after", before, passages())
    assert told == [(part, len(told)) for part in range(1, len(told) + 1)]
    fresh = CountedVocabulary.open(fit("onehot", tmp_path / "fresh", passages()))
    assert after.vocabulary == fresh
    pairs = [
        (old.vectors[n], after.vectors[after.vocabulary.numbers[t]])
        for n, t in enumerate(old.vocabulary.terms)
    ]
    assert all(not np.array_equal(*pair) for pair in pairs)
    cosines = [float(unit(one) @ unit(other)) for one, other in pairs]
    assert np.median(cosines) > 0.7
    assert np.isfinite(after.vectors).all()
