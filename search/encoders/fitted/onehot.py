"""``onehot``: which words of the vocabulary a text has, and nothing more.

x(w) = 1 where the text has w; the product of two unit rows is |A ∩ B| / √(|A| |B|), the cosine of two sets
(Salton and McGill, Introduction to Modern Information Retrieval, 1983, section 6.1).
"""

from pathlib import Path

import numpy as np

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import CountedVocabulary, read
from search.encoders.fitted.weighted_terms import WeightedTerms
from search.text.analyzer import Analyzer


def fit_onehot(fit: Fit) -> None:
    """Write the vocabulary; raise ``TooLittleToLearn`` where there is none."""
    read(fit)[0].save(fit.output)
    fit.progress(1, 1)


def open_onehot(folder: Path, analyzer: Analyzer) -> WeightedTerms:
    """Return the encoder over a vocabulary."""
    vocabulary = CountedVocabulary.open(folder)
    return WeightedTerms(vocabulary, analyzer, np.ones(len(vocabulary.terms)), np.sign)
