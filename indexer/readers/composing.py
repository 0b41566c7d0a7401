"""A text put together block by block, with the offsets of its headings and pages.

HTML, DOCX, Markdown and PDF arrive as blocks; all four readers build their text here, so that offsets
are counted in one place.
"""

import re

from indexer.readers.base import Heading

BLOCK_BREAK = "\n\n"
WHITE = re.compile(r"\s+")


class Composer:
    """Collects blocks, one blank line between two of them, and knows where everything starts."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []
        self.page_starts: list[int] = []
        self.length = 0
        """Code points so far."""
        self._parts: list[str] = []

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._parts)

    def block(self, text: str, separator: str = BLOCK_BREAK) -> None:
        """Add a block after ``separator``; empty lines around it are dropped and an empty block ignored."""
        text = storable(text).strip("\n").rstrip()
        if text.strip():
            self._add(separator if self.length else "")
            self._add(text)

    def heading(self, text: str, level: int) -> None:
        """Add a heading, which is always one line."""
        line = one_line(storable(text))
        if line:
            self.block(line)
            self.headings.append(Heading(self.length - len(line), level, line))

    def page(self, text: str) -> None:
        """Add a page; one without text still counts, and starts where the next text will."""
        text = storable(text).strip()
        if text and self.length:
            self._add(BLOCK_BREAK)
        self.page_starts.append(self.length)
        self._add(text)

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self.length += len(text)


def one_line(text: str) -> str:
    """Return ``text`` with every run of white space as one space."""
    return WHITE.sub(" ", text).strip()


UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """Return ``text`` with U+FFFD for U+0000 and lone surrogates.

    In PDF and HTML these are no characters but the lack of one: a glyph or entity whose character the
    file does not tell, which is what U+FFFD means.
    """
    return UNSTORABLE.sub("\ufffd", text)
