"""Questions about the words of a collection, answered by an encoder that has a vector for each of them."""

from collections.abc import Callable, Mapping, Sequence

from indexer.fitted import FittedEncoders, command
from indexer.records import WordsAnswer
from indexer.store import collections
from indexer.store.collections import Collection
from indexer.store.sessions import Database
from indexer.store.storable import is_text
from search.encoders.fitted.catalog import IMPORTED
from search.encoders.fitted.word_vectors import WordVectors
from search.encoders.fitted.words import PlacedWord, ScoredWord, Words
from search.errors import InvalidInput, UnknownEncoder
from search.registry import slip

WORD_KINDS = ("word2vec-skipgram", "word2vec-cbow", "cooccurrence", IMPORTED)
"""Encoders that know words, the one that is asked first of them first."""
NEIGHBOURS, CONTEXTS = "neighbours", "contexts"
WORDS_MAX, LIMIT_MAX = 100, 200

Found = tuple[list[ScoredWord], float | None]
"""Words with their scores, or a similarity."""


def _analogy(words: Words, asked: Sequence[str], limit: int) -> Found:
    one, other, third = asked
    return words.analogy(one, other, third, limit), None


QUESTIONS: Mapping[str, tuple[str, Callable[[Words, Sequence[str], int], Found]]] = {
    NEIGHBOURS: ("one word", lambda words, asked, limit: (words.neighbours(asked[0], limit), None)),
    "similarity": ("two words", lambda words, asked, _: ([], words.similarity(asked[0], asked[1]))),
    "analogy": ("three words", _analogy),
    "odd": ("three words or more", lambda words, asked, _: ([words.odd_one_out(asked)], None)),
    CONTEXTS: ("one word", lambda words, asked, limit: (words.contexts(asked[0], limit), None)),
}
"""Question -> what it takes, and what answers it."""
_COUNTS = {
    "one word": (1, 1),
    "two words": (2, 2),
    "three words": (3, 3),
    "three words or more": (3, WORDS_MAX),
}


SPELT_OTHERWISE = {"neighbors": NEIGHBOURS}


class CollectionWords:
    """The words of an installation's collections, by the encoders that have learned vectors of them."""

    def __init__(self, database: Database, fitted: FittedEncoders) -> None:
        self._database = database
        self._fitted = fitted

    def ask(
        self, collection: str, ask: str, words: Sequence[str], limit: int = 10, encoder: str | None = None
    ) -> WordsAnswer:
        """Answer one of ``QUESTIONS`` about words of a collection.

        Raises:
            UnknownCollection, UnknownEncoder: there is none, or it has learned no vectors of words.
            UnknownWord: it has no such word; the sentence names the closest spellings.
            InvalidInput: the question is wrong.
        """
        ask = SPELT_OTHERWISE.get(ask, ask)
        _check(ask, words, limit)
        through = self._through(collection, encoder, ask)
        found, similarity = QUESTIONS[ask][1](self._fitted.words(through), words, limit)
        return WordsAnswer(ask, list(words), through.encoder, found, similarity)

    def vectors(self, collection: str, encoder: str | None = None) -> WordVectors:
        """Return the words of a collection with their counts and vectors; raises what ``ask`` does."""
        return self._fitted.words(self._through(collection, encoder, NEIGHBOURS)).vectors

    def neighbourhood(
        self, collection: str, word: str, limit: int = 20, encoder: str | None = None
    ) -> Sequence[PlacedWord]:
        """Return a word and its neighbours with their places in a picture; raises what ``ask`` does."""
        _check(NEIGHBOURS, [word], limit)
        return self._fitted.words(self._through(collection, encoder, NEIGHBOURS)).neighbourhood(word, limit)

    def _through(self, collection: str, encoder: str | None, ask: str) -> Collection:
        with self._database.read() as connection:
            seen = collections.encoders_of(connection, collections.get(connection, collection))
        return _chosen(seen, encoder, ask)


def _check(ask: str, words: Sequence[str], limit: int) -> None:
    """Raise ``InvalidInput`` unless there is such a question about so many words."""
    if ask not in QUESTIONS:
        raise InvalidInput(
            f"there is no question {ask[:100]!r}{slip(ask, QUESTIONS)}; choose one of: {', '.join(QUESTIONS)}"
        )
    wanted = QUESTIONS[ask][0]
    fewest, most = _COUNTS[wanted]
    if not fewest <= len(words) <= most:
        raise InvalidInput(f"{ask} takes {wanted}, not {len(words)}")
    if not all(map(is_text, words)):
        raise InvalidInput("a word holds a character that is no text (NUL or half a character)")
    if not 1 <= limit <= LIMIT_MAX:
        raise InvalidInput(f"limit is {limit}; give a number from 1 to {LIMIT_MAX}", limit=limit)


def _chosen(seen: Sequence[Collection], encoder: str | None, ask: str) -> Collection:
    """Return a collection seen through the encoder that answers a question about words.

    Args:
        seen: the collection through each of its encoders.
        encoder: the one that was asked for, if any.
        ask: the question; contexts are known to co-occurrence alone.

    Raises:
        InvalidInput: the one asked for knows no words.
        UnknownEncoder: the collection has none that does.
    """
    kinds = ("cooccurrence",) if ask == CONTEXTS and encoder is None else WORD_KINDS
    if encoder is not None and encoder not in WORD_KINDS:
        raise InvalidInput(
            f"{encoder[:100]!r} has no vectors of words; choose one of: {', '.join(WORD_KINDS)}"
        )
    wanted = kinds if encoder is None else (encoder,)
    by_name = {each.encoder: each for each in seen if each.complete}
    for kind in wanted:
        if kind in by_name:
            return by_name[kind]
    name = seen[0].name
    raise UnknownEncoder(
        f"{name!r} has learned no vectors of words that answer this; `{command(wanted[0], name)}` makes them",
        known=[kind for kind in WORD_KINDS if kind in by_name],
    )
