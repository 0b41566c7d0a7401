"""First word vectors of the neural encoders: skip-gram with negative sampling over the collection.

Mikolov et al., "Distributed representations of words and phrases", NIPS 2013, section 2.2, by gensim.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import torch
from gensim.models import Word2Vec

from search.arrays import Matrix, unit_rows
from search.encoders.fitted.base import Fit
from search.encoders.fitted.checkpoints_training import checkpoint
from search.encoders.fitted.vocabulary import Vocabulary

WORDS_READ = 2_000_000
"""Epochs are as many as this allows: a large collection needs fewer, and time has a bound."""


def word_vectors(
    fit: Fit, passages: Sequence[Sequence[str]], vocabulary: Vocabulary, dimension: int
) -> Matrix:
    """Return unit rows ``(len(vocabulary), dimension)``; a killed training has them already."""
    kept = checkpoint(fit, "word-vectors", {"dimension": dimension, "words_read": WORDS_READ})
    found = kept.read()
    if found is None:
        vectors = _skip_gram(passages, vocabulary, dimension, fit.seed)
        kept.write({"vectors": torch.from_numpy(vectors)}, None)
        return vectors
    rows: Matrix = found[0]["vectors"].numpy()
    return rows


def _skip_gram(
    passages: Sequence[Sequence[str]], vocabulary: Vocabulary, dimension: int, seed: int
) -> Matrix:
    # One worker and a hash that no process draws anew, so that bytes repeat.
    known = [[term for term in passage if term in vocabulary] for passage in passages]
    words = sum(map(len, known))
    model = Word2Vec(
        known,
        vector_size=dimension,
        sg=1,
        window=5,
        negative=5,
        sample=1e-3,
        min_count=1,
        epochs=int(np.clip(WORDS_READ // words, 3, 30)),
        seed=seed,
        workers=1,
        hashfxn=_hash,
    )
    return unit_rows(np.stack([model.wv[term] for term in vocabulary.terms]).astype(np.float32))


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "surrogatepass"))
