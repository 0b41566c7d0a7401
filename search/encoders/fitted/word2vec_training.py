"""``word2vec-cbow`` and ``word2vec-skipgram``: words are alike that predict, or follow from, the same words.

Mikolov et al., "Efficient Estimation of Word Representations in Vector Space", 2013, sections 3.1 and 3.2,
with negative sampling ("Distributed Representations of Words and Phrases", NIPS 2013, section 2.2), by
gensim, which on one thread gives the same numbers every time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec
from gensim.models.callbacks import CallbackAny2Vec
from safetensors.numpy import load_file

from search.encoders.fitted.base import Fit
from search.encoders.fitted.counted_words import CountedVocabulary, read
from search.encoders.fitted.word_vectors import FILE, save_word_vectors

OUTPUTS = "outputs"
"""Name of the second array of weights, which predicts and does not serve: learning on needs it."""
DIMENSION = 100
WINDOW = {False: 10, True: 5}
"""Words to each side, for CBOW and skip-gram.

nDCG@10 of CBOW on three judged collections with 10: .328 .374 .410, with 5: .302 .336 .408; of skip-gram
on the first two with 10: .324 .450, with 5: .313 .451 in half the time.
"""
WORDS_READ = 5_000_000
"""About how many words all epochs are to read together, so that a small collection is read more often."""
EPOCHS = (5, 40)
"""Fewest and most."""


def fit_cbow(fit: Fit) -> None:
    """Write word vectors learned by predicting a word from its neighbours."""
    _fit(fit, skipgram=False)


def fit_skipgram(fit: Fit) -> None:
    """Write word vectors learned by predicting the neighbours from a word."""
    _fit(fit, skipgram=True)


def _fit(fit: Fit, *, skipgram: bool) -> None:
    vocabulary, passages = read(fit)
    sentences = [[vocabulary.terms[word] for word in words] for words in passages]
    model = untrained(skipgram, fit.seed, epochs_for(sum(vocabulary.counts)))
    if fit.previous is None:
        model.build_vocab(sentences)
    else:
        learn_on(model, fit.previous, vocabulary, sentences)
    model.train(
        sentences,
        total_examples=len(sentences),
        epochs=model.epochs,
        callbacks=[_Progress(fit, model.epochs)],
    )
    # Rows in the order of the vocabulary; gensim's is by frequency, and may know words that are gone.
    order = [model.wv.key_to_index[term] for term in vocabulary.terms]
    outputs = np.ascontiguousarray(model.syn1neg[order])
    save_word_vectors(fit.output, vocabulary, model.wv.vectors[order], passages, {OUTPUTS: outputs})


def epochs_for(words: int) -> int:
    """Return how often a collection of so many words is read."""
    return min(max(WORDS_READ // words, EPOCHS[0]), EPOCHS[1])


def untrained(skipgram: bool, seed: int, epochs: int) -> Word2Vec:
    """Return gensim's model as this project sets it."""
    return Word2Vec(
        vector_size=DIMENSION, window=WINDOW[skipgram], min_count=1, sg=int(skipgram), negative=10,
        sample=1e-3, workers=1, seed=seed, epochs=epochs,
    )  # fmt: skip


def learn_on(
    model: Word2Vec, previous: Path, vocabulary: CountedVocabulary, sentences: Sequence[list[str]]
) -> None:
    """Give ``model`` the words of the fit before that are still there, as learned, and the new ones."""
    before, arrays = CountedVocabulary.open(previous), load_file(previous / FILE)
    kept = [number for number, term in enumerate(before.terms) if term in vocabulary.numbers]
    if not kept:
        model.build_vocab(sentences)
        return
    model.build_vocab_from_freq({before.terms[number]: before.counts[number] for number in kept})
    rows = [model.wv.key_to_index[before.terms[number]] for number in kept]
    model.wv.vectors[rows] = arrays["vectors"][kept]
    model.syn1neg[rows] = arrays[OUTPUTS][kept]
    model.build_vocab(sentences, update=True)


class _Progress(CallbackAny2Vec):
    """Tells of every epoch."""

    def __init__(self, fit: Fit, epochs: int) -> None:
        self._fit, self._done, self._epochs = fit, 0, epochs

    def on_epoch_end(self, model: Word2Vec) -> None:
        """Count an epoch; gensim calls this."""
        self._done += 1
        self._fit.progress(self._done, self._epochs)
