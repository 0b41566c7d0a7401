"""What the kinds that count words compute, against scikit-learn and by hand."""

import math

import numpy as np
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from search.encoders.fitted.counted_words import CountedVocabulary
from tests.contracts.test_fitted_encoders import analyzer, fit, opened, passages

QUESTIONS = ["coffee leaf rust and coffee again", "泡绿茶用多少度的水"]


def reference(texts):
    """Return scikit-learn's TF-IDF rows of passages and of ``texts``."""
    counter = CountVectorizer(analyzer=analyzer().terms)
    transformer = TfidfTransformer(sublinear_tf=True)
    rows = transformer.fit_transform(counter.fit_transform(passage.input for passage in passages()))
    return rows, transformer.transform(counter.transform(texts))


def test_tfidf_is_that_of_scikit_learn(tmp_path):
    encoder = opened("tfidf", fit("tfidf", tmp_path, passages()))
    rows, questions = reference(QUESTIONS)
    inputs = [passage.input for passage in passages()]
    assert np.allclose(encoder.encode(inputs, "passage"), rows.toarray(), atol=1e-7)
    assert np.allclose(encoder.encode(QUESTIONS, "query"), questions.toarray(), atol=1e-7)


def test_lsi_is_that_of_scikit_learn(tmp_path):
    encoder = opened("lsi", fit("lsi", tmp_path, passages()))
    rows, questions = reference(QUESTIONS)
    assert encoder.dimension == len(passages())
    svd = TruncatedSVD(encoder.dimension, n_iter=5, random_state=20240501).fit(rows)
    expected = svd.transform(questions)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    found = encoder.encode(QUESTIONS, "query")
    assert np.allclose(np.abs(found), np.abs(expected), atol=1e-4)
    passage_rows = encoder.encode([passage.input for passage in passages()], "passage")
    theirs = svd.transform(rows)
    theirs /= np.linalg.norm(theirs, axis=1, keepdims=True)
    assert np.allclose(found @ passage_rows.T, expected @ theirs.T, atol=1e-4)


def test_onehot_is_the_cosine_of_two_sets(tmp_path):
    encoder = opened("onehot", fit("onehot", tmp_path, passages()))
    one, other = encoder.encode(["tea tea tea coffee water", "tea coffee"], "query")
    assert one @ other == pytest.approx(2 / math.sqrt(3 * 2))
    assert sorted(set(one[one > 0])) == pytest.approx([1 / math.sqrt(3)])


def test_the_vocabulary_counts_and_keeps_the_usual_spelling(tmp_path):
    texts = [("", "Planters plant; planters dry."), ("Plants", "Planters!")]
    learned_from = [type(passages()[0])(number, *text) for number, text in enumerate(texts)]
    vocabulary = CountedVocabulary.open(fit("onehot", tmp_path, learned_from))
    counted = zip(
        vocabulary.terms, vocabulary.counts, vocabulary.passage_counts, vocabulary.surfaces, strict=True
    )
    assert vocabulary.passages == 2
    assert list(counted) == [("dri", 1, 1, "dry"), ("plant", 2, 2, "Plants"), ("planter", 3, 2, "Planters")]
