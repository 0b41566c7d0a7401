"""Words as dense vectors, and a text as the weighted mean of its words: what serves word vectors of any kind.

Words are weighed by smooth inverse frequency (``sif.py``); a text then loses what it has of the direction
that all texts share (Arora, Liang and Ma, ICLR 2017, algorithm 1).  That direction is learned
from the passages and stored; taking it out of each word's vector is taking it out of their sum.

Every kind writes ``vocabulary.json`` and ``words.safetensors``: ``vectors (v, d)`` in the order of the
vocabulary and ``common (d,)``, zeros where nothing is taken out; a kind that learns on adds what it needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from search.arrays import unit_rows
from search.encoders.fitted.counted_words import CountedVocabulary, Words
from search.encoders.fitted.sif import sif_weights
from search.encoders.fitted.weighted_terms import ProjectedTerms, WeightedTerms, weighted_rows
from search.text.analyzer import Analyzer

FILE = "words.safetensors"
CONTEXTS = ("context_ends", "context_words", "context_scores")
"""Names of arrays that a kind may add: the most typical contexts of word i, highest PPMI first, stand from
``ends[i]`` to ``ends[i + 1]`` in ``words`` (their numbers) and ``scores``."""


@dataclass(frozen=True)
class WordVectors:
    """The words of a collection and a vector for each."""

    vocabulary: CountedVocabulary
    vectors: NDArray[np.float32]
    """As they were learned ``(v, d)``."""
    common: NDArray[np.float32]
    """The direction that all texts share ``(d,)``: unit length, or zeros."""

    @classmethod
    def open(cls, folder: Path) -> "WordVectors":
        """Return what ``save`` wrote into ``folder``."""
        arrays = load_file(folder / FILE)
        return cls(CountedVocabulary.open(folder), arrays["vectors"], arrays["common"])


def save_word_vectors(
    folder: Path,
    vocabulary: CountedVocabulary,
    vectors: NDArray[np.float32],
    passages: Sequence[Words],
    others: Mapping[str, NDArray[np.generic]],
) -> None:
    """Find the common direction of ``passages`` and write the two files, ``others`` beside the vectors."""
    vocabulary.save(folder)
    common = common_direction(vocabulary, vectors, passages)
    save_file({"vectors": np.ascontiguousarray(vectors), "common": common, **others}, folder / FILE)


def common_direction(
    vocabulary: CountedVocabulary, vectors: NDArray[np.float32], passages: Sequence[Words]
) -> NDArray[np.float32]:
    """Return the first right singular vector ``(d,)`` of the passages' unit vectors.

    Of fewer passages than numbers in a vector it is zeros: what they share is then what they are about.
    """
    if len(passages) < vectors.shape[1]:
        return np.zeros(vectors.shape[1], np.float32)
    rows = unit_rows(weighted_rows(passages, sif_weights(vocabulary.counts), np.positive) @ vectors)
    products = np.einsum("ni,nj->ij", rows, rows, dtype=np.float64)
    common: NDArray[np.float32] = np.linalg.eigh(products)[1][:, -1].astype(np.float32)
    return common


def open_words(folder: Path, analyzer: Analyzer) -> ProjectedTerms:
    """Return the encoder over word vectors."""
    words = WordVectors.open(folder)
    terms = WeightedTerms(words.vocabulary, analyzer, sif_weights(words.vocabulary.counts), np.positive)
    # Not by a matrix product: how one is shared out between threads would show in the last bit.
    shares = np.einsum("vd,d->v", words.vectors, words.common)
    return ProjectedTerms(terms, words.vectors - shares[:, None] * words.common)
