"""Vectors of words: counts and PPMI by hand, word2vec as gensim itself makes it, texts as means of words."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from gensim.models import Word2Vec
from safetensors.numpy import load_file
from scipy.sparse import csr_array

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.catalog import OPENERS, TRAINERS
from search.encoders.fitted.cooccurrence_training import ppmi, window_counts
from search.encoders.fitted.counted_words import CountedVocabulary, read
from search.encoders.fitted.word2vec_training import DIMENSION, NEGATIVE, WINDOW, _checksum
from search.encoders.fitted.word_vectors import FILE, write_words


def test_windows_count_nearer_words_more_and_end_with_their_passage():
    counts = window_counts([np.array([0, 1, 0, 2]), np.array([2, 1])], 3).toarray()
    # 0-1 stand beside each other twice, 0-0 two places apart (counted both ways), 0-2 three and one,
    # 1-2 two places apart, and side by side in the second passage
    by_hand = {(0, 1): 1 + 1, (0, 0): 2 / 2, (0, 2): 1 / 3 + 1, (1, 2): 1 / 2 + 1}
    expected = np.zeros((3, 3))
    for (one, other), count in by_hand.items():
        expected[one, other] = expected[other, one] = count
    np.testing.assert_allclose(counts, expected)


def test_ppmi_is_the_formula_and_nothing_below_zero():
    counts = np.array([[0.0, 6.0, 1.0], [6.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    found = ppmi(csr_array(counts)).toarray()
    context = np.array([7.0, 7.0, 2.0]) ** 0.75
    context /= context.sum()
    assert found[0, 1] == pytest.approx(math.log((6 / 16) / (7 / 16 * context[1])))
    assert found[2, 0] == pytest.approx(math.log((1 / 16) / (2 / 16 * context[0])))
    assert math.log((1 / 16) / (7 / 16 * context[2])) < 0 == found[0, 2] == found[0, 0]


@pytest.mark.parametrize(("kind", "skip_gram"), [("word2vec-cbow", 0), ("word2vec-skipgram", 1)])
def test_word2vec_is_that_of_gensim(kind, skip_gram, fit_of, passages):
    fit = fit_of(passages, 7)
    TRAINERS.create(kind, fit=fit)
    texts = [fit.analyzer.terms(passage.input) for passage in passages]
    options = {"vector_size": DIMENSION, "window": WINDOW, "negative": NEGATIVE, "min_count": 1, "workers": 1}
    epochs = 20 if skip_gram else 40
    model = Word2Vec(texts, sg=skip_gram, epochs=epochs, seed=7, hashfxn=_checksum, **options)
    vocabulary = CountedVocabulary.open(fit.output)
    expected = np.stack([model.wv[term] for term in vocabulary.terms])
    np.testing.assert_array_equal(load_file(fit.output / FILE)["vectors"], expected)


def test_word2vec_goes_on_from_the_fit_before(fit_of, passages):
    first = fit_of(passages, 7)
    TRAINERS.create("word2vec-skipgram", fit=first)
    late = [*passages, LearningPassage(99, "", "a zeppelin moors at the mast, and the giant panda sleeps")]
    again, anew = replace(fit_of(late, 7), previous=first.output), fit_of(late, 8)
    for fit in (again, anew):
        TRAINERS.create("word2vec-skipgram", fit=fit)

    def vectors(fit):
        terms = CountedVocabulary.open(fit.output).terms
        rows = load_file(fit.output / FILE)["vectors"]
        return dict(zip(terms, rows / np.linalg.norm(rows, axis=1, keepdims=True), strict=True))

    before, after, other = vectors(first), vectors(again), vectors(anew)
    assert "zeppelin" in after and "zeppelin" not in before
    kept = [before[term] @ after[term] for term in before]
    assert np.mean(kept) > 0.8 > np.mean([before[term] @ other[term] for term in before])


def test_a_text_is_the_weighted_mean_of_its_words_less_what_all_share(fit_of):
    fit = fit_of([LearningPassage(0, "", "tea tea coffee"), LearningPassage(1, "", "coffee milk")])
    vocabulary, passages = read(fit)
    assert list(vocabulary.terms) == ["coffe", "milk", "tea"]
    vectors = np.array([[1.0, 0.2], [0.3, 1.0], [0.9, -0.4]], dtype=np.float32)
    write_words(fit.output, vocabulary, vectors, passages)
    common = load_file(fit.output / FILE)["common"]
    assert np.linalg.norm(common) == pytest.approx(1)
    milk, tea = (1e-3 / (1e-3 + share) for share in (1 / 5, 2 / 5))
    mean = 2 * tea * vectors[2] + milk * vectors[1]
    mean = mean - (mean @ common) * common
    encoder = OPENERS.create("word2vec-cbow", folder=fit.output, analyzer=fit.analyzer)
    found = encoder.encode(["tea and tea with milk"], "passage")[0]
    np.testing.assert_allclose(found, mean / np.linalg.norm(mean), atol=1e-5)
    told = json.loads((fit.output / "vocabulary.json").read_text("utf-8"))
    assert told["surfaces"] == ["coffee", "milk", "tea"]
