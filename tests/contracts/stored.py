"""Small documents with vectors, and the few steps that tests of the store take again and again."""

import hashlib
import re
from datetime import UTC, datetime
from types import MappingProxyType

import numpy as np

from indexer.store import collections, documents
from indexer.store.documents import PreparedDocument, PreparedPassage
from search.arrays import unit_rows
from search.encoders.base import TokenStates

NOW = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
LATER = datetime(2024, 5, 2, 8, 0, 0, 123456, tzinfo=UTC)


class ToyEncoder:
    """As much of an encoder as the caches need: vectors drawn by lot, seeded by the text."""

    dimension = 16
    fingerprint = "toy-1"
    centring = "toy-means-1"
    passage_means = MappingProxyType(
        {
            "en": np.full(16, 0.05, dtype=np.float32),
            "zh": np.linspace(-0.1, 0.1, 16, dtype=np.float32),
        }
    )

    def vector(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
        return unit_rows(np.random.default_rng(seed).standard_normal((1, 16)).astype(np.float32))[0]


class WordTokenizer:
    """Pieces are words and signs."""

    def spans(self, text):
        found = [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
        return np.array(found, dtype=np.int32).reshape(-1, 2)

    def count(self, text):
        return len(self.spans(text))

    def ids(self, text):
        return list(range(self.count(text)))


class ToyTokenEncoder(ToyEncoder):
    """A whole encoder of the same vectors, which also has a state for every word and notes what it reads."""

    max_tokens = 512
    tokenizer = WordTokenizer()
    query_means = token_query_means = token_passage_means = ToyEncoder.passage_means

    def __init__(self):
        self.slices = []

    def encode(self, texts, role):
        self.slices.append(list(texts))
        return np.array([self.vector(text) for text in texts], dtype=np.float32).reshape(-1, 16)

    def encode_tokens(self, texts, role):
        return self.encode(texts, role), [self.tokens(text) for text in texts]

    def tokens(self, text):
        spans = self.tokenizer.spans(text)
        words = [self.vector(text[start:end]) for start, end in spans.tolist()]
        return TokenStates(np.array(words, dtype=np.float32).reshape(-1, 16), spans)

    def read(self):
        """Return all texts read since it was asked last."""
        texts = [text for part in self.slices for text in part]
        self.slices.clear()
        return texts


ENCODER = ToyEncoder()


def passage(text, start=0, heading="", page=None, language="en"):
    return PreparedPassage(
        start=start,
        end=start + len(text),
        text=text,
        heading=heading,
        page=page,
        language=language,
        input_hash=hashlib.sha256(text.encode()).hexdigest()[:32],
        vector=ENCODER.vector(text).astype("<f4").tobytes(),
    )


def document(key, *texts, **facts):
    """Return a document of one passage for each text, ready to be stored."""
    texts = texts or (f"text of {key}",)
    whole = "\n".join(texts)
    known = {
        "title": f"Title of {key}",
        "source": "api",
        "origin": None,
        "media_type": "text/plain",
        "language": "en",
        "text": whole,
        "metadata": {},
        "passages": [passage(text, whole.index(text)) for text in texts],
    } | facts
    content = repr([known[name] for name in ("title", "text", "metadata", "media_type")])
    known.setdefault("content_hash", hashlib.sha256(content.encode()).hexdigest())
    return PreparedDocument(key=key, **known)


def unencoded(key, *texts, **facts):
    """Return a document that was found stored unchanged, and so came without passages."""
    return document(key, *texts, **facts, passages=None)


def new_collection(database, name="notes", encoder=ENCODER):
    with database.write() as connection:
        encoder_id = collections.ensure_encoder(
            connection, "toy", encoder.fingerprint, encoder.dimension, NOW
        )
        collections.create(connection, name, encoder_id, 200, 32, NOW)
    return current(database, name)


def current(database, name="notes"):
    with database.read() as connection:
        return collections.get(connection, name)


def put(database, collection, *prepared, now=NOW):
    with database.write() as connection:
        return documents.store(connection, collection, prepared, now)


def remove(database, collection, *keys):
    with database.write() as connection:
        return documents.delete(connection, collection, keys)
