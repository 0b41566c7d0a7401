"""Fits ``word2vec-cbow`` and ``word2vec-skipgram``: a word's vector foretells the words around it, by gensim.

Mikolov et al., Efficient estimation of word representations in vector space, 2013, sections 3.1 and 3.2, with
negative sampling: Mikolov et al., Distributed representations of words and phrases and their
compositionality, NIPS 2013, section 2.2.

Where the collection was fit before, training goes on from there: old words keep what they have learned and
learn more, new words join them.

<folder>/training.safetensors   the output vectors (``syn1neg``) that training goes on from
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from safetensors.numpy import load_file, save_file
from threadpoolctl import threadpool_limits

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import CountedVocabulary, read
from search.encoders.fitted.word_vectors import FILE, write_words
from search.errors import TooLittleToLearn

TRAINING = "training.safetensors"
DIMENSION = 128
WINDOW = 8
NEGATIVE = 8
EPOCHS = {"cbow": 40, "skipgram": 20}
"""Of a small collection; a large one teaches as much in fewer."""
WORDS_READ, EPOCHS_MIN = 4_000_000, 3
"""What bounds the time: about a minute, unless the collection is larger than all that is read of it."""
WORDS_MIN = 2
"""Words that are needed for one to foretell another."""


def fit_cbow(fit: Fit) -> None:
    """Write the vectors that the words around foretell a word by."""
    _fit(fit, "cbow")


def fit_skipgram(fit: Fit) -> None:
    """Write the vectors by which a word foretells the words around it."""
    _fit(fit, "skipgram")


def _fit(fit: Fit, algorithm: str) -> None:
    vocabulary, passages = read(fit)
    if sum(len(passage) > 1 for passage in passages) == 0 or len(vocabulary.terms) < WORDS_MIN:
        raise TooLittleToLearn("no two different words stand in one passage; add documents with text")
    texts = [[vocabulary.terms[number] for number in passage.tolist()] for passage in passages]
    with threadpool_limits(limits=1):
        model = trained(texts, algorithm, fit)
    numbers = [model.wv.key_to_index[term] for term in vocabulary.terms]
    write_words(fit.output, vocabulary, model.wv.vectors[numbers], passages)
    save_file({"output": np.ascontiguousarray(model.syn1neg[numbers])}, fit.output / TRAINING)


def trained(texts: Sequence[Sequence[str]], algorithm: str, fit: Fit) -> Word2Vec:
    """Return gensim's model of texts, going on from the fit before where there is one."""
    words = sum(map(len, texts))
    epochs = min(EPOCHS[algorithm], max(EPOCHS_MIN, WORDS_READ // words))
    model = Word2Vec(
        vector_size=DIMENSION,
        window=WINDOW,
        min_count=1,
        sg=int(algorithm == "skipgram"),
        negative=NEGATIVE,
        epochs=epochs,
        seed=fit.seed,
        workers=1,  # more would add up in another order each time
        hashfxn=_checksum,
    )
    if fit.previous is None:
        model.build_vocab(texts)
    else:
        _go_on_from(fit.previous, model)
        model.build_vocab(texts, update=True)
    model.train(texts, total_examples=len(texts), epochs=epochs, callbacks=[_Told(fit, epochs)])
    return model


def _go_on_from(previous: Path, model: Word2Vec) -> None:
    """Give a new model the words and vectors of a fit before."""
    vocabulary = CountedVocabulary.open(previous)
    model.build_vocab_from_freq(dict(zip(vocabulary.terms, vocabulary.counts, strict=True)))
    numbers = [model.wv.key_to_index[term] for term in vocabulary.terms]
    model.wv.vectors[numbers] = load_file(previous / FILE)["vectors"]
    model.syn1neg[numbers] = load_file(previous / TRAINING)["output"]


def _checksum(text: str) -> int:
    """Return a number that is the same in every process; vectors begin with what it seeds."""
    return zlib.crc32(text.encode())


class _Told(CallbackAny2Vec):
    """Tells how many epochs are done."""

    def __init__(self, fit: Fit, epochs: int) -> None:
        self._fit = fit
        self._epochs = epochs
        self._done = 0

    def on_epoch_end(self, model: Word2Vec) -> None:
        """Tell of one more."""
        self._done += 1
        self._fit.progress(self._done, self._epochs)
