"""WordprocessingML as blocks: what a ``.docx`` holds, read from its XML.

Elements go by their local names, as the transitional and the strict flavour of the format differ in
nothing but the namespace.  Every walk keeps its own stack: a file may nest deeper than Python calls.

The DOCX reader calls this.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from indexer.readers.composing import one_line

UNSEEN = frozenset(
    "del moveFrom Fallback rt pPr rPr sectPr tblPr trPr tcPr sdtPr instrText delText delInstrText".split()
)
"""Deleted text, a second rendering of the same shape, ruby annotations, properties and field codes."""

CHARACTERS = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
PARAGRAPHS_AND_TABLES = frozenset(("p", "tbl"))
ROWS, CELLS = frozenset(("tr",)), frozenset(("tc",))

LIST = 0
HEADING_NAME = re.compile(r"heading ([1-9])", re.IGNORECASE)
NO_LEVEL = 9


@dataclass(frozen=True, slots=True)
class Style:
    """What a paragraph style says about the paragraphs that use it."""

    name: str = ""
    based_on: str = ""
    level: int | None = None
    listed: bool = False


@dataclass(frozen=True, slots=True)
class WordBlock:
    """A paragraph or a row of a table."""

    text: str
    level: int | None = None
    """Level of a heading, from 1."""
    titles: bool = False
    """Whether it has the style of the document's title."""
    group: int | None = None
    """What it stands close together with: ``LIST``, or the number of its table."""


def local(element: Element) -> str:
    """Return an element's name without namespace."""
    return element.tag.rpartition("}")[2]


def value_of(element: Element | None) -> str:
    """Return the attribute ``val``, in whatever namespace."""
    attributes = {} if element is None else element.attrib
    return next((value for name, value in attributes.items() if name.rpartition("}")[2] == "val"), "")


def child(element: Element | None, *path: str) -> Element | None:
    """Return the descendant on a path of local names, each the first of its name."""
    for name in path:
        element = (
            next((inner for inner in element if local(inner) == name), None) if element is not None else None
        )
    return element


def nearest(element: Element, names: frozenset[str]) -> Iterator[Element]:
    """Yield the visible descendants of these names in order, but none inside another."""
    waiting = list(reversed(element))
    while waiting:
        inner = waiting.pop()
        name = local(inner)
        if name in names:
            yield inner
        elif name not in UNSEEN:
            waiting += reversed(inner)


def text_of(element: Element) -> str:
    """Return the visible text of an element; paragraphs inside it begin on lines of their own."""
    pieces: list[str] = []
    waiting = list(reversed(element))
    while waiting:
        inner = waiting.pop()
        name = local(inner)
        if name == "t":
            pieces.append(inner.text or "")
        elif name not in UNSEEN:
            pieces.append("\n" if name == "p" else CHARACTERS.get(name, ""))
            waiting += reversed(inner)
    return "".join(pieces)


def styles_of(root: Element) -> dict[str, Style]:
    """Return the paragraph styles by id."""
    return {
        next((value for name, value in style.attrib.items() if name.endswith("styleId")), ""): Style(
            name=value_of(child(style, "name")),
            based_on=value_of(child(style, "basedOn")),
            level=level_of(child(style, "pPr")),
            listed=is_listed(child(style, "pPr")),
        )
        for style in root
        if local(style) == "style"
    }


def level_of(properties: Element | None) -> int | None:
    """Return the outline level that paragraph properties give, from 1; ``NO_LEVEL + 1`` is body text."""
    digit = value_of(child(properties, "outlineLvl"))
    return int(digit) + 1 if digit.isdecimal() and len(digit) == 1 else None


def is_listed(properties: Element | None) -> bool:
    """Say whether paragraph properties put the paragraph into a list."""
    return value_of(child(properties, "numPr", "numId")) not in ("", "0")


def lineage(identifier: str, styles: Mapping[str, Style]) -> list[Style]:
    """Return a style and those it is based on; a circle of them ends where it closes."""
    found: dict[str, Style] = {}
    while identifier in styles and identifier not in found:
        found[identifier] = styles[identifier]
        identifier = styles[identifier].based_on
    return list(found.values())


def heading_level(own: int | None, family: list[Style]) -> int | None:
    """Return a paragraph's heading level: its own, else the first that its styles name."""
    candidates = [own]
    for style in family:
        named = HEADING_NAME.fullmatch(style.name)
        candidates += [int(named[1]) if named else None, style.level]
    level = next((level for level in candidates if level is not None), None)
    return level if level is not None and level <= NO_LEVEL else None


def paragraph(element: Element, styles: Mapping[str, Style]) -> WordBlock:
    """Return the block of a paragraph."""
    properties = child(element, "pPr")
    family = lineage(value_of(child(properties, "pStyle")), styles)
    level = heading_level(level_of(properties), family)
    titles = any(style.name.casefold() == "title" for style in family)
    listed = level is None and (is_listed(properties) or any(style.listed for style in family))
    text = text_of(element)
    if level is None and titles:
        level = 1
    if listed and text.strip():
        return WordBlock(f"- {text.strip()}", group=LIST)
    return WordBlock(text, level, titles)


def blocks(root: Element, styles: Mapping[str, Style]) -> Iterator[WordBlock]:
    """Yield paragraphs and table rows in order; a table of one column is but a frame around its blocks."""
    waiting = list(nearest(root, PARAGRAPHS_AND_TABLES))[::-1]
    tables = 0
    while waiting:
        element = waiting.pop()
        if local(element) == "p":
            yield paragraph(element, styles)
            continue
        rows = [list(nearest(row, CELLS)) for row in nearest(element, ROWS)]
        if all(len(cells) <= 1 for cells in rows):
            framed = [nearest(cell, PARAGRAPHS_AND_TABLES) for cells in rows for cell in cells]
            waiting += [inner for blocks_of_cell in framed for inner in blocks_of_cell][::-1]
        else:
            tables += 1
            yield from (WordBlock(row_text(cells), group=tables) for cells in rows)


def row_text(cells: list[Element]) -> str:
    """Return the cells of a table's row on one line."""
    return " | ".join(one_line(text_of(cell)) for cell in cells).strip(" |")
