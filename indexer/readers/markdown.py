"""Markdown as it reads when rendered: marks gone; words, headings, lists and tables kept.

What is searched and shown should be the words and not the asterisks.  Addresses of links and images go
with the marks, their words stay.  The lines of a paragraph are one, as in a browser, unless a break is
asked for.

Called through ``catalog.py`` for ``.md`` and its like.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, TypeVar

from lxml import etree
from markdown_it import MarkdownIt
from markdown_it.token import Token

from indexer.line_ends import WIDE_CHARACTER
from indexer.readers import front_matter
from indexer.readers.base import Extracted, FieldValue, Limits, Refused
from indexer.readers.bounded import read_whole
from indexer.readers.composing import BLOCK_BREAK, Composer
from indexer.readers.decoding import decode
from indexer.readers.markup import ListState, blocks, compose, parse
from indexer.readers.plain import name_as_title
from search.errors import NoText

NESTING_MAX = 60
BRACKETS_MAX = 5_000
"""Of one paragraph; the parser's time grows with their square, and no paragraph has as many links."""

PARSER = MarkdownIt("commonmark", {"maxNesting": NESTING_MAX}).enable(["table", "strikethrough"])
CREATED = ("date", "created", "published")
MODIFIED = ("updated", "lastmod", "modified")
LANGUAGE = ("lang", "language")

SOFT_BREAK = "\0"
"""The end of a line that only the width of the source asked for; the parser lets no NUL through."""
SEAMLESS = re.compile(f"(?<={WIDE_CHARACTER}){SOFT_BREAK}(?={WIDE_CHARACTER})")

T = TypeVar("T", str, datetime)


@dataclass(frozen=True, slots=True)
class MarkdownReader:
    """Reads CommonMark with tables, strike-through and YAML front matter."""

    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the one document; its title is that of the front matter, else the first heading."""
        source = decode(read_whole(stream, name, self.limits.file_bytes), name)
        given, body = front_matter.split(source)
        composer = Composer()
        tokens = parsed(body)
        if tokens is None:
            composer.block(body)
        else:
            Renderer(composer).render(tokens)
        if not composer.length:
            raise NoText(f"{name} has no text")
        headings = tuple(composer.headings)
        yield Extracted(
            text=composer.text,
            title=first(given, ("title",), str) or (headings[0].text if headings else name_as_title(name)),
            media_type="text/markdown",
            headings=headings,
            language=first(given, LANGUAGE, str),
            created_at=first(given, CREATED, datetime),
            modified_at=first(given, MODIFIED, datetime),
            fields={field: value for field, value in given.items() if field != "title"},
        )


def parsed(body: str) -> list[Token] | None:
    """Return the tokens of a text, or ``None`` where it is better kept as it stands than parsed.

    That is a text no person wrote: thousands of brackets in a row, or quotes in quotes so deep that the
    parser would drop what they hold.
    """
    if any(paragraph.count("[") > BRACKETS_MAX for paragraph in body.split("\n\n")):
        return None
    tokens = PARSER.parse(body)
    return None if any(token.level >= NESTING_MAX - 1 for token in tokens) else tokens


def first(given: Mapping[str, FieldValue], names: tuple[str, ...], kind: type[T]) -> T | None:
    """Return the first of the named fields that is of type ``kind`` and not empty."""
    return next((value for value in map(given.get, names) if isinstance(value, kind) and value), None)


class Renderer:
    """Writes the parser's tokens into a composer, block by block."""

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._lists: list[ListState] = []
        self._marker = ""
        self._cells: list[str] | None = None
        self._grouped = False
        """Whether the next block goes on with the list or table of the one before it."""

    def render(self, tokens: list[Token]) -> None:
        """Write all blocks."""
        heading: int | None = None
        for token in tokens:
            if token.type == "heading_open" and token.level == 0:
                heading = int(token.tag[1:])
            elif token.type == "inline":
                self._inline(words(token.children or []), heading)
                heading = None
            elif token.type in ("fence", "code_block"):
                self._block(token.content)
            elif token.type == "html_block":
                self._html(token.content)
            else:
                self._structure(token)

    def _inline(self, text: str, heading: int | None) -> None:
        if self._cells is not None:
            self._cells.append(text.strip())
        elif heading is not None:
            self._composer.heading(text, heading)
        else:
            self._block(text)

    def _block(self, text: str) -> None:
        if text.strip():
            self._composer.block(self._marker + text, "\n" if self._grouped else BLOCK_BREAK)
            self._marker = ""
            self._grouped = bool(self._lists)

    def _html(self, content: str) -> None:
        try:
            root = parse(content)
        except etree.LxmlError:
            self._block(content)  # no markup that a parser follows: keep it as it stands
            return
        if root is not None:
            compose(blocks(root), self._composer)

    def _structure(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                self._lists.append(
                    ListState(token.type == "ordered_list_open", int(token.attrGet("start") or 1))
                )
            case "list_item_open":
                self._marker = self._lists[-1].next_marker()
            case "bullet_list_close" | "ordered_list_close":
                self._lists.pop()
                self._grouped = bool(self._lists) and self._grouped
            case "tr_open":
                self._cells = []
            case "tr_close":
                cells, self._cells = self._cells or [], None
                self._block(" | ".join(cells).strip(" |"))
                self._grouped = True
            case "table_close":
                self._grouped = bool(self._lists)


def words(tokens: list[Token]) -> str:
    """Return the words of inline tokens in one line, but for the line breaks that were asked for."""
    return SEAMLESS.sub("", "".join(map(word, tokens))).replace(SOFT_BREAK, " ")


def word(token: Token) -> str:
    """Return what a reader sees of one inline token."""
    match token.type:
        case "text" | "text_special" | "code_inline":
            return token.content
        case "softbreak":
            return SOFT_BREAK
        case "hardbreak":
            return "\n"
        case "image":
            return words(token.children or [])
        case "html_inline" if token.content.lower().startswith("<br"):
            return "\n"
    return ""  # the open and close of emphasis, links and HTML tags
