"""Cutting a text into plain and marked pieces, for a template to escape piece by piece.

No markup is made here and no text is searched: the spans are those of the hit, so what is marked
on the page is what was matched.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.extracts import extract, relative
from indexer.line_ends import paper_joined, shown
from search.model import Highlight, PassageText

DEPTHS = 4
EMPTY_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, and how deeply it is marked."""

    text: str
    depth: int
    """0 for not at all, up to ``DEPTHS``."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A part of a passage, and whether the passage goes on before and after it."""

    pieces: Sequence[Piece]
    cut_before: bool
    cut_after: bool


def excerpt(passage: PassageText, highlights: Sequence[Highlight]) -> Excerpt:
    """Return the part of a passage that holds most of its highlighted characters.

    ``highlights`` are offsets in the document, as in a ``Hit``; parts outside the passage are left out.
    """
    text = paper_joined(passage.text)
    spans = relative(highlights, passage.start, len(text))
    part = extract(text, spans)
    found = pieces(text[part.start : part.end], relative(spans, part.start, part.end - part.start))
    return Excerpt(_shown(found), part.start > 0, part.end < len(text))


def whole(passage: PassageText, highlights: Sequence[Highlight]) -> list[Piece]:
    """Return all of a passage, with its highlights."""
    text = paper_joined(passage.text)
    return _shown(pieces(text, relative(highlights, passage.start, len(text))))


def pieces(text: str, spans: Sequence[Highlight]) -> list[Piece]:
    """Return ``text`` cut at ``spans``, which may overlap and come in any order."""
    found: list[Piece] = []
    at = 0
    for span in sorted(spans, key=lambda span: (span.start, span.end)):
        start, end = max(at, span.start), max(at, span.end)
        if start < end:
            found += [Piece(text[at:start], 0), Piece(text[start:end], max(1, round(span.weight * DEPTHS)))]
            at = end
    found.append(Piece(text[at:], 0))
    return [piece for piece in found if piece.text]


def _shown(found: Sequence[Piece]) -> list[Piece]:
    return [Piece(EMPTY_LINES.sub("\n", shown(piece.text)), piece.depth) for piece in found]
