"""A vector for each word of a collection: what ``cooccurrence`` and ``word2vec`` learn, and texts by them.

A text is the mean of the vectors of its words, in which a word w counts a / (a + p(w)), p(w) being its share
of all words, less what all passages have in common: Arora, Liang and Ma, A simple but tough-to-beat baseline
for sentence embeddings, ICLR 2017, algorithm 1.  What is common is one direction for all texts, so it is
taken out of the words' vectors once and for all.

<folder>/vocabulary.json        the words and their counts
         words.safetensors      ``vectors`` as they were learned, ``common``: the direction that texts lose
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from search.arrays import Matrix, Vector
from search.encoders.fitted.counted_words import CountedVocabulary, Words
from search.encoders.fitted.weighted_terms import ProjectedTerms, WeightedTerms, Weights, weighted_rows
from search.text.analyzer import Analyzer

FILE = "words.safetensors"
COMMON_WORD = 1e-3
"""The share a of all words at which a word counts half."""


def write_words(
    folder: Path, vocabulary: CountedVocabulary, vectors: Matrix, passages: Sequence[Words]
) -> None:
    """Write vocabulary and vectors ``(v, d)``, and what the passages that they were learned from share."""
    rows = weighted_rows(passages, sif(vocabulary), float_counts) @ vectors
    vocabulary.save(folder)
    save_file({"vectors": np.ascontiguousarray(vectors), "common": _common(rows)}, folder / FILE)


def open_words(folder: Path, analyzer: Analyzer) -> ProjectedTerms:
    """Return the encoder over what ``write_words`` wrote."""
    vocabulary = CountedVocabulary.open(folder)
    learned = load_file(folder / FILE)
    vectors, common = learned["vectors"], learned["common"]
    apart = vectors - np.outer(vectors @ common, common)
    return ProjectedTerms(WeightedTerms(vocabulary, analyzer, sif(vocabulary), float_counts), apart)


def sif(vocabulary: CountedVocabulary) -> Weights:
    """Return what each word counts ``(v,)``: smooth inverse frequency."""
    counts = np.asarray(vocabulary.counts, dtype=np.float64)
    weights: Weights = COMMON_WORD / (COMMON_WORD + counts / counts.sum())
    return weights


def float_counts(counts: Weights) -> Weights:
    """Return the counts themselves: a mean runs over all places of a word."""
    return counts


def _common(rows: NDArray[np.float32]) -> Vector:
    """Return the first right singular vector ``(d,)`` of the passages' vectors."""
    _, directions = np.linalg.eigh(rows.T.astype(np.float64) @ rows.astype(np.float64))
    first = directions[:, -1]
    common: Vector = (first * np.sign(first[np.argmax(np.abs(first))])).astype(np.float32)
    return common
