"""Which part of a passage is shown where there is no room for all of it: on the search page and in the shell.

Nothing is searched here: the spans are those of the hit, so what is shown is what was matched.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from search.model import Highlight, Span

EXTRACT_CHARACTERS = 320
"""Length of an extract of Latin script; Chinese says as much in half as many characters."""
LEAD_SHARE = 6
"""An extract shows at most one part in so many of the text before its first highlight."""
WORD_CHARACTERS = 20
"""How far a cut may move to fall between two words."""


def extract(text: str, spans: Sequence[Highlight]) -> Span:
    """Return the part of ``text`` that holds most of what ``spans`` mark, by weight, or all of it."""
    length = _length(text)
    start = _best_start(text, spans, length)
    return Span(start, _word_end(text, start + length))


def relative(spans: Sequence[Highlight], offset: int, length: int) -> list[Highlight]:
    """Return ``spans`` counted from ``offset`` and cut to ``length``; empty ones are left out."""
    moved = (
        replace(span, start=max(0, span.start - offset), end=min(length, span.end - offset)) for span in spans
    )
    return [span for span in moved if span.start < span.end]


def _length(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return EXTRACT_CHARACTERS // 2 if 3 * wide > len(text) else EXTRACT_CHARACTERS


def _best_start(text: str, spans: Sequence[Highlight], length: int) -> int:
    if len(text) <= length:
        return 0
    latest = len(text) - length
    starts = [_word_start(text, min(latest, span.start - length // LEAD_SHARE)) for span in spans]
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


def _covered(spans: Sequence[Highlight], start: int, length: int) -> float:
    return sum((span.end - span.start) * span.weight for span in relative(spans, start, length))
