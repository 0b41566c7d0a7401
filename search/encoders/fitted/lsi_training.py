"""Fits ``lsi``: the singular vectors of a collection's TF-IDF rows."""

import numpy as np
from safetensors.numpy import save_file

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import read
from search.encoders.fitted.factorizing import factorized
from search.encoders.fitted.lsi import FILE
from search.encoders.fitted.tfidf import inverse_frequencies, term_frequency
from search.encoders.fitted.weighted_terms import weighted_rows

DIMENSION = 200
"""At most; no more than the collection has words or passages.  150 lose .005 to .014 on three collections."""


def fit_lsi(fit: Fit) -> None:
    """Write vocabulary and directions; raise ``TooLittleToLearn`` where no passage has a word."""
    vocabulary, passages = read(fit)
    fit.progress(1, 2)
    rows = weighted_rows(passages, inverse_frequencies(vocabulary), term_frequency)
    _, directions = factorized(rows, DIMENSION, fit.seed)
    vocabulary.save(fit.output)
    save_file({"directions": np.ascontiguousarray(directions.T)}, fit.output / FILE)
    fit.progress(2, 2)
