"""Every kind of encoder that is fit on a collection: what fits it, and what opens the files of the fit.

The tables are data: another kind is a line in each and its files.  A trainer may import torch, so that only
a child process runs one; what opens the files may not.
"""

from search.encoders.fitted.base import FittedEncoder
from search.registry import Registry

TRAINERS: Registry[None] = Registry(
    "encoder to fit",
    {
        "onehot": "search.encoders.fitted.onehot:fit_onehot",
        "tfidf": "search.encoders.fitted.tfidf:fit_tfidf",
        "lsi": "search.encoders.fitted.lsi_training:fit_lsi",
        "cooccurrence": "search.encoders.fitted.cooccurrence_training:fit_cooccurrence",
        "word2vec-cbow": "search.encoders.fitted.word2vec_training:fit_cbow",
        "word2vec-skipgram": "search.encoders.fitted.word2vec_training:fit_skipgram",
        "autoencoder": "search.encoders.fitted.autoencoder_training:fit_autoencoder",
        "rnn": "search.encoders.fitted.recurrent_training:fit_rnn",
        "lstm": "search.encoders.fitted.recurrent_training:fit_lstm",
        "seq2seq": "search.encoders.fitted.seq2seq_training:fit_seq2seq",
        "seq2seq-attention": "search.encoders.fitted.seq2seq_training:fit_seq2seq_attention",
        "transformer-scratch": "search.encoders.fitted.transformer_training:fit_transformer",
        "word-vectors": "search.encoders.fitted.imported_words:fit_imported",
        "features": "search.encoders.fitted.features:fit_features",
    },
)
"""``TRAINERS.create(kind, fit=Fit(...))`` runs a ``Trainer``."""

IMPORTED = "word-vectors"
"""The kind that is not learned here, but made of a file: ``Fit.given``."""
LEARN_ON = ("word2vec-cbow", "word2vec-skipgram")
"""Kinds that can start from what the fit before has learned."""

OPENERS: Registry[FittedEncoder] = Registry(
    "fitted encoder",
    {
        "onehot": "search.encoders.fitted.onehot:open_onehot",
        "tfidf": "search.encoders.fitted.tfidf:open_tfidf",
        "lsi": "search.encoders.fitted.lsi:open_lsi",
        "cooccurrence": "search.encoders.fitted.word_vectors:open_words",
        "word2vec-cbow": "search.encoders.fitted.word_vectors:open_words",
        "word2vec-skipgram": "search.encoders.fitted.word_vectors:open_words",
        "autoencoder": "search.encoders.fitted.autoencoder:open_autoencoder",
        "rnn": "search.encoders.fitted.recurrent:open_rnn",
        "lstm": "search.encoders.fitted.recurrent:open_lstm",
        "seq2seq": "search.encoders.fitted.seq2seq:open_seq2seq",
        "seq2seq-attention": "search.encoders.fitted.seq2seq:open_seq2seq",
        "transformer-scratch": "search.encoders.fitted.transformer:open_transformer",
        "word-vectors": "search.encoders.fitted.word_vectors:open_words",
        "features": "search.encoders.fitted.features:open_features",
    },
)
"""``OPENERS.create(kind, folder=..., analyzer=...)`` opens files that somebody has proved to be whole."""

WITH_STATES = ("rnn", "lstm", "seq2seq", "seq2seq-attention", "transformer-scratch")
"""Kinds whose openers give a ``StateEncoder``, so that attention can rank by what they make of each word."""

OF_FIELDS = ("features",)
"""Kinds that read the fields of documents (``document_fields.py``) instead of words."""
