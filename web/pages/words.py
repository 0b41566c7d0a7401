"""The words of a collection: what is near a word, and what stands beside it."""

from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from indexer.fitted import kinds
from indexer.words import CONTEXTS, WORD_KINDS
from search.encoders.fitted.words import PlacedWord, ScoredWord
from search.errors import UnknownWord
from web.errors import STATUS
from web.pages.labels import Label, apart
from web.service import service

pages = Blueprint("words_page", __name__)
NEIGHBOURS = 16
WIDTH, HEIGHT, MARGIN = 640, 400, 56
"""Of the picture, in its own units."""


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What one encoder finds near a word."""

    encoder: str
    words: Sequence[PlacedWord]
    """The word itself, then its neighbours."""

    def labels(self) -> list[Label]:
        """Return each word with its place in the picture, and where its name stands."""
        labels = [
            Label(
                word.word,
                MARGIN + (word.x + 1) / 2 * (WIDTH - 2 * MARGIN),
                24 + (word.y + 1) / 2 * (HEIGHT - 48),
                leftward=word.x > 0,
            )
            for word in self.words
        ]
        return apart(labels, HEIGHT)


@pages.get("/collections/<collection>/words")
def words(collection: str) -> ResponseReturnValue:
    """Show what the encoders that know words find near one, or which words are spelt like it."""
    word = request.args.get("word", "").strip()
    knowing = [
        info.name for info in service().encoders(collection) if info.name in WORD_KINDS and info.complete
    ]
    found, alike = [], None
    try:
        found = _found(collection, word, knowing) if word else []
    except UnknownWord as unknown:
        alike = unknown.details["nearest"]
    page = render_template(
        "words.html",
        collection=collection,
        knowing=knowing,
        kinds=[kind for kind in WORD_KINDS if kind in kinds()],
        word=word,
        found=found,
        alike=alike,
        contexts=_contexts(collection, word, found),
        size=(WIDTH, HEIGHT),
    )
    return page, 200 if alike is None else STATUS[UnknownWord]


def _found(collection: str, word: str, knowing: Sequence[str]) -> list[Neighbourhood]:
    """Return what each encoder finds; one that was fit on other texts may not know the word.

    Raises:
        UnknownWord: none of them does.
    """
    found, unknown = [], None
    for encoder in knowing:
        try:
            near = service().words.neighbourhood(collection, word, NEIGHBOURS, encoder)
        except UnknownWord as error:
            unknown = error
        else:
            found.append(Neighbourhood(encoder, near))
    if unknown and not found:
        raise unknown
    return found


def _contexts(collection: str, word: str, found: Sequence[Neighbourhood]) -> Sequence[ScoredWord]:
    if not any(near.encoder == "cooccurrence" for near in found):
        return []
    return service().words.ask(collection, CONTEXTS, [word], NEIGHBOURS).found
