"""``cooccurrence``: words are alike that stand beside the same words.

N(w, c) counts how often c stands within ``WINDOW`` words of w, within a passage.  PPMI(w, c) = max(0, ln
(p(w, c) / (p(w) q(c)))), where q(c) is in proportion to N(c) to the power of .75 (Levy, Goldberg and Dagan,
TACL 3, 2015, sections 2.1 and 3.2).  PPMI ≈ U Σ Vᵀ, and word w is the row of U √Σ (section 3.3).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, diags_array

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import Words, read
from search.encoders.fitted.factorizing import factorized
from search.encoders.fitted.word_vectors import CONTEXTS, save_word_vectors
from search.errors import TooLittleToLearn

WINDOW = 5
DIMENSION = 200
CONTEXT_POWER = 0.75
CONTEXTS_KEPT = 20
"""Of each word."""


def fit_cooccurrence(fit: Fit) -> None:
    """Write word vectors; raise ``TooLittleToLearn`` where no two words stand beside each other."""
    vocabulary, passages = read(fit)
    fit.progress(1, 3)
    association = ppmi(cooccurrences(passages, len(vocabulary.terms), WINDOW))
    if association.nnz == 0:
        raise TooLittleToLearn("no two words of the passages stand beside each other; add longer texts")
    fit.progress(2, 3)
    values, directions = factorized(association, DIMENSION, fit.seed)
    vectors = (association @ (directions / np.sqrt(values)[:, None]).T).astype(np.float32)
    save_word_vectors(fit.output, vocabulary, vectors, passages, typical_contexts(association))
    fit.progress(3, 3)


def cooccurrences(passages: Sequence[Words], words: int, window: int) -> csr_array:
    """Return N ``(words, words)``, symmetric."""
    # Between passages stands as much of nothing as the window reaches over.
    gap = np.full(window, -1, np.int32)
    line = np.concatenate([part for passage in passages for part in (passage, gap)])
    counts = csr_array((words, words))
    for distance in range(1, window + 1):
        left, right = line[:-distance], line[distance:]
        both = (left >= 0) & (right >= 0)
        ones = np.ones(np.count_nonzero(both))
        counts += coo_array((ones, (left[both], right[both])), shape=(words, words)).tocsr()
    return csr_array(counts + counts.T)


def ppmi(counts: csr_array) -> csr_array:
    """Return PPMI ``(words, words)`` of N, without stored zeros."""
    totals = counts.sum(axis=1)
    smoothed = totals**CONTEXT_POWER
    seen = totals > 0
    # p(w, c) / (p(w) q(c)) = N(w, c) / (N(w) · N(c)^.75 / Σ N^.75)
    words = np.divide(1, totals, out=np.zeros_like(totals), where=seen)
    contexts = np.divide(smoothed.sum(), smoothed, out=np.zeros_like(totals), where=seen)
    ratios = csr_array(diags_array(words) @ counts @ diags_array(contexts))
    ratios.data = np.maximum(np.log(ratios.data), 0)
    ratios.eliminate_zeros()
    ratios.sort_indices()
    return ratios


def typical_contexts(association: csr_array) -> dict[str, NDArray[np.generic]]:
    """Return the arrays ``CONTEXTS``; of contexts with the same PPMI the one of the lower number is first."""
    kept = []
    for start, end in zip(association.indptr[:-1], association.indptr[1:], strict=True):
        kept.append(start + np.argsort(-association.data[start:end], kind="stable")[:CONTEXTS_KEPT])
    places = np.concatenate(kept)
    ends = np.cumsum([0, *map(len, kept)], dtype=np.int64)
    numbers, scores = association.indices[places], association.data[places]
    return dict(zip(CONTEXTS, (ends, numbers.astype(np.int32), scores.astype(np.float32)), strict=True))
