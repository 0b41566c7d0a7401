"""The blocks of an HTML tree as a person would read them: headings, paragraphs, list items, table rows.

Extractors that return flat text lose the headings of ordinary pages, and chunking lives on headings; so
the tree is walked here, once and without recursion, and every visible word comes out in order.

The HTML reader walks whole pages with this, the Markdown reader the HTML blocks inside its text.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree, html

from indexer.readers.composing import BLOCK_BREAK, Composer

INVISIBLE = frozenset(
    "head script style noscript template svg canvas iframe object audio video map datalist "
    "input button select option textarea".split()
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(
    "address article aside blockquote body center caption dd details dialog div dl dt fieldset figcaption "
    "figure footer form header hr html legend li main menu nav ol p pre section summary table tbody td "
    "tfoot th thead tr ul".split()
) | set(HEADINGS)
LAYOUT = ("table", "p", "div", "ul", "ol", "pre", "blockquote", *HEADINGS)
"""A table that holds one of these is a frame for other blocks and not rows of data."""

CELLS = frozenset(("td", "th"))
EMPTY_CELLS = " |\n\xa0"

WHITE = re.compile(r"[ \t\n\f\r]+")
SPACES = re.compile(r" *\n *| {2,}")


@dataclass(frozen=True, slots=True)
class Block:
    """One block: its text, its level if it is a heading, and how much of it is links."""

    text: str
    level: int | None = None
    follows: bool = False
    """Whether it belongs to the list or table of the block before it."""
    link_characters: int = 0


def parse(text: str) -> html.HtmlElement | None:
    """Return the tree of a page, or ``None`` where there is nothing to parse; nothing is ever fetched.

    Raises:
        etree.LxmlError: the tags are nested deeper than the parser follows.
    """
    # Without huge_tree all text below the 256th level is left out in silence.
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    try:
        root = html.document_fromstring(text.encode(), parser=parser)
    except etree.ParserError:  # raised for a document without any element or text
        return None
    if any("depth" in entry.message for entry in parser.error_log):
        raise etree.LxmlError("nested too deeply")
    return root


def blocks(root: html.HtmlElement) -> Iterator[Block]:
    """Yield the blocks below ``root`` in order, without invisible elements."""
    walk = etree.iterwalk(root, events=("start", "end"))
    writer = BlockWriter()
    for event, element in walk:
        if event == "start":
            if is_invisible(element):
                walk.skip_subtree()
                continue
            yield from writer.opened(element)
        else:
            if not is_invisible(element):
                yield from writer.closed(element)
            if element is not root:
                writer.add(element.tail)
    yield from writer.flush()


def is_invisible(element: html.HtmlElement) -> bool:
    """Say whether a browser shows nothing of this element."""
    style = element.get("style", "").replace(" ", "")
    return element.tag in INVISIBLE or "hidden" in element.attrib or "display:none" in style


class BlockWriter:
    """Gathers the text between two block borders."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._link_characters = 0
        self._links = 0
        self._verbatim = 0
        self._marker = ""
        self._lists: list[ListState] = []
        self._data_tables: list[bool] = []
        self._cells = 0
        self._blocks_of_group = 0

    def opened(self, element: html.HtmlElement) -> Iterator[Block]:
        """Take the start of an element and the text before its first child."""
        if self._is_border(element.tag):
            yield from self.flush()
        self._enter(element)
        self.add(element.text)

    def closed(self, element: html.HtmlElement) -> Iterator[Block]:
        """Take the end of an element; its tail belongs to the element around it."""
        if self._is_border(element.tag):
            yield from self.flush(HEADINGS.get(element.tag))
        self._leave(element.tag)

    def add(self, text: str | None) -> None:
        """Add running text."""
        if text:
            self._pieces.append(text if self._verbatim else WHITE.sub(" ", text))
            self._link_characters += len(text.strip()) if self._links else 0

    def flush(self, level: int | None = None) -> Iterator[Block]:
        """Yield what was gathered, if it has a word, and begin a new block."""
        text, links = self._gathered(), self._link_characters
        self._pieces, self._link_characters = [], 0
        if text.strip():
            follows = self._in_group and self._blocks_of_group > 0
            self._blocks_of_group += 1
            yield Block(text if level else self._marker + text, level, follows, links)
            self._marker = ""

    def _gathered(self) -> str:
        text = "".join(self._pieces)
        if self._verbatim:
            return text.strip("\n")
        text = SPACES.sub(lambda run: run[0].strip(" ") or " ", text)
        return text.strip(EMPTY_CELLS) if self._in_row else text.strip()

    @property
    def _in_group(self) -> bool:
        return bool(self._lists) or any(self._data_tables)

    @property
    def _in_row(self) -> bool:
        return bool(self._data_tables) and self._data_tables[-1]

    def _is_border(self, tag: str) -> bool:
        return tag in BLOCKS and not (self._in_row and tag in CELLS)

    def _enter(self, element: html.HtmlElement) -> None:
        match element.tag:
            case "a":
                self._links += 1
            case "br":
                self._pieces.append("\n")
            case "pre":
                self._verbatim += 1
            case "ul" | "ol" | "menu":
                self._open_group()
                self._lists.append(ListState(element.tag == "ol"))
            case "li" if self._lists:
                self._marker = self._lists[-1].next_marker()
            case "table":
                self._open_group()
                self._data_tables.append(not any(True for _ in element.iterdescendants(*LAYOUT)))
            case "tr":
                self._cells = 0
            case "td" | "th":
                self._open_cell()

    def _open_group(self) -> None:
        if not self._in_group:
            self._blocks_of_group = 0

    def _open_cell(self) -> None:
        if self._in_row:
            self._pieces.append(" | " if self._cells else "")
            self._cells += 1

    def _leave(self, tag: str) -> None:
        match tag:
            case "a":
                self._links -= 1
            case "pre":
                self._verbatim -= 1
            case "ul" | "ol" | "menu":
                self._lists.pop()
            case "li":
                self._marker = ""
            case "table":
                self._data_tables.pop()


class ListState:
    """Counts the items of one list."""

    def __init__(self, ordered: bool, start: int = 1) -> None:
        self._ordered = ordered
        self._count = start - 1

    def next_marker(self) -> str:
        """Return what stands before the next item."""
        self._count += 1
        return f"{self._count}. " if self._ordered else "- "


def compose(found: Iterator[Block] | list[Block], composer: Composer) -> None:
    """Write blocks into ``composer``."""
    for block in found:
        if block.level is None:
            composer.block(block.text, "\n" if block.follows else BLOCK_BREAK)
        else:
            composer.heading(block.text, block.level)
