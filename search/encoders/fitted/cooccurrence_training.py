"""Fits ``cooccurrence``: words are alike that stand beside the same words.

Counts c(w, v) of words within ``WINDOW`` places of each other, nearer ones counting more (1 / distance), give
positive pointwise mutual information

    PPMI(w, v) = max(0, ln (P(w, v) / (P(w) P(v)^(3/4))))   with P(v)^(3/4) scaled to sum to 1,

whose truncated singular value decomposition U Σ Vᵀ makes the vector of a word its row of U √Σ: Levy, Goldberg
and Dagan, Improving distributional similarity with lessons learned from word embeddings, TACL 3, 2015,
sections 2.2 (the matrix), 3.2 (context distribution smoothing) and 3.3 (the root of Σ).
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csr_array

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import Words, read
from search.encoders.fitted.factorizing import factorized
from search.encoders.fitted.word_vectors import write_words
from search.errors import TooLittleToLearn

WINDOW = 8
DIMENSION = 200
SMOOTHED = 0.75


def fit_cooccurrence(fit: Fit) -> None:
    """Write a vector for each word; raise ``TooLittleToLearn`` where no two words stand together."""
    vocabulary, passages = read(fit)
    fit.progress(1, 3)
    information = ppmi(window_counts(passages, len(vocabulary.terms)))
    if not information.nnz:
        raise TooLittleToLearn("no words of the passages stand together more than by chance; add documents")
    fit.progress(2, 3)
    values, directions = factorized(information, DIMENSION, fit.seed)
    # The matrix is symmetric but for the smoothing; a word's row of U √Σ is its row of M V / √Σ.
    vectors = (information @ directions.T) / np.sqrt(values)
    write_words(fit.output, vocabulary, vectors.astype(np.float32), passages)
    fit.progress(3, 3)


def window_counts(passages: Sequence[Words], words: int) -> csr_array:
    """Return c ``(words, words)``, symmetric; no window reaches beyond its passage."""
    counts = csr_array((words, words), dtype=np.float64)
    text = np.concatenate([np.append(passage, -np.ones(WINDOW, np.int32)) for passage in passages])
    for distance in range(1, WINDOW + 1):
        left, right = text[:-distance], text[distance:]
        beside = (left >= 0) & (right >= 0)
        weights = np.full(np.count_nonzero(beside), 1 / distance)
        counts = counts + coo_array((weights, (left[beside], right[beside])), shape=counts.shape).tocsr()
    return csr_array(counts + counts.T)


def ppmi(counts: csr_array) -> csr_array:
    """Return PPMI of counts; what is not positive is not stored."""
    total = counts.sum()
    if not total:
        return counts
    of_word = counts.sum(axis=1) / total
    of_context = counts.sum(axis=0) ** SMOOTHED
    of_context /= of_context.sum()
    pairs = counts.tocoo()
    expected = of_word[pairs.row] * of_context[pairs.col]
    information = np.maximum(np.log(pairs.data / total / expected), 0)
    made = csr_array(coo_array((information, (pairs.row, pairs.col)), shape=counts.shape))
    made.eliminate_zeros()
    return made
