"""Which text stands under which headings.

``chunking.py`` calls ``outline`` and cuts each part on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from indexer.readers.base import Heading

HEADING_CHARACTERS_MAX = 200
"""A longer heading is a paragraph in large letters and counts as text."""

HeadingPath = tuple[Heading, ...]
"""The headings from the outermost down to a part's own."""


@dataclass(frozen=True, slots=True)
class Part:
    """``text[start:end]``, the text under a heading; ``text[line_start:start]`` is that heading's line."""

    path: HeadingPath
    line_start: int
    start: int
    end: int


def outline(text: str, headings: Sequence[Heading]) -> list[Part]:
    """Return the parts of a text in order.

    Every character that is no white space is in one part, but for the lines of headings that have text
    or other headings below them: those are in paths.  The line of a heading with nothing below it is in
    the text of the next part (with all lines in between), or at the end in that of the last.

    Args:
        text: the whole document.
        headings: ascending by start.
    """
    marks = [heading for heading in headings if len(heading.text) <= HEADING_CHARACTERS_MAX]
    first = marks[0].start if marks else len(text)
    parts = [Part((), 0, 0, first)] if text[:first].strip() else []
    covered = first if parts else 0
    bare = False
    path: HeadingPath = ()
    for heading, following in zip_longest(marks, marks[1:]):
        path = (*(above for above in path if above.level < heading.level), heading)
        start, end = line_end(text, heading), following.start if following else len(text)
        if text[start:end].strip():
            parts.append(Part(path, covered, covered, end) if bare else Part(path, heading.start, start, end))
            covered, bare = end, False
        elif following is None or following.level <= heading.level:
            bare = True
    if bare:
        parts[-1:] = [replace(parts[-1], end=len(text))] if parts else [Part((), 0, 0, len(text))]
    return parts


def line_end(text: str, heading: Heading) -> int:
    """Return where the line of a heading ends."""
    newline = text.find("\n", heading.start)
    return newline if newline >= 0 else len(text)


def common_path(one: HeadingPath, other: HeadingPath) -> HeadingPath:
    """Return the headings that two parts share; equal words at different places are different headings."""
    shared = next(
        (depth for depth, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None
    )
    return one[: min(len(one), len(other)) if shared is None else shared]
