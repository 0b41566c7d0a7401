"""Cutting a text into plain and marked pieces, for a template to escape piece by piece.

No markup is made here and no text is searched: the spans are those of the hit, so what is marked
on the page is what was matched.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from search.model import PassageText, Span
from web.pages.line_ends import all_joined, shown

EXCERPT_CHARACTERS = 420
"""Length of an excerpt of Latin script; Chinese says as much in half as many characters."""
LEAD_CHARACTERS = 60
"""How much of the text before its first highlight an excerpt shows."""
WORD_CHARACTERS = 20
"""How far a cut may move to fall between two words."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text that is marked or not."""

    text: str
    marked: bool


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a passage, and whether the passage goes on before and after it."""

    pieces: Sequence[Piece]
    cut_before: bool
    cut_after: bool


def excerpt(passage: PassageText, highlights: Sequence[Span]) -> Excerpt:
    """Return the part of a passage that holds most of its highlighted characters.

    ``highlights`` are offsets in the document, as in a ``Hit``; parts outside the passage are left out.
    """
    text = all_joined(passage.text)
    spans = relative(highlights, passage.start, len(text))
    length = _length(text)
    start = _best_start(text, spans, length)
    end = _word_end(text, start + length)
    found = pieces(text[start:end], relative(spans, start, end - start))
    return Excerpt([Piece(shown(one.text), one.marked) for one in found], start > 0, end < len(text))


def pieces(text: str, spans: Sequence[Span]) -> list[Piece]:
    """Return ``text`` cut at ``spans``, which may overlap and come in any order."""
    found: list[Piece] = []
    at = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        start, end = max(at, span.start), max(at, span.end)
        if start < end:
            found += [Piece(text[at:start], False), Piece(text[start:end], True)]
            at = end
    found.append(Piece(text[at:], False))
    return [piece for piece in found if piece.text]


def relative(spans: Sequence[Span], offset: int, length: int) -> list[Span]:
    """Return ``spans`` counted from ``offset`` and cut to ``length``; empty ones are left out."""
    moved = (Span(max(0, span.start - offset), min(length, span.end - offset)) for span in spans)
    return [span for span in moved if span.start < span.end]


def _length(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return EXCERPT_CHARACTERS // 2 if 3 * wide > len(text) else EXCERPT_CHARACTERS


def _best_start(text: str, spans: Sequence[Span], length: int) -> int:
    if len(text) <= length:
        return 0
    latest = len(text) - length
    starts = [min(latest, _word_start(text, span.start - LEAD_CHARACTERS)) for span in spans]
    return max([0, *starts], key=lambda start: (_covered(spans, start, length), -start))


def _word_start(text: str, start: int) -> int:
    """Return where a word begins close after ``start``, so that no word is cut in two."""
    if start <= 0:
        return 0
    space = text.find(" ", start, start + WORD_CHARACTERS)
    return start if space < 0 else space + 1


def _word_end(text: str, end: int) -> int:
    """Return where a word ends close before ``end``."""
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", end - WORD_CHARACTERS, end)
    return end if space < 0 else space


def _covered(spans: Sequence[Span], start: int, length: int) -> int:
    return sum(span.end - span.start for span in relative(spans, start, length))
