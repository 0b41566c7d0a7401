"""HTML: the main text of a page with its headings, not its navigation.

Where a page says itself what its main part is (``main``, one ``article``), that is believed.  Elsewhere
trafilatura judges which blocks are boilerplate; the blocks themselves are cut by ``markup.py``, because
trafilatura's own output drops the headings of ordinary pages and glues neighbouring blocks together.
Nothing is ever fetched: no address reaches anything that could.

Called through ``catalog.py`` for ``.html`` and its like.
"""

import codecs
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

import trafilatura
from lxml import etree, html

from indexer.readers.base import Extracted, Heading, Limits, Refused
from indexer.readers.bounded import read_whole
from indexer.readers.composing import Composer, one_line, storable
from indexer.readers.decoding import declared_by_itself, decode, decode_as, looks_binary, unix_lines
from indexer.readers.markup import Block, blocks, compose, parse
from indexer.readers.plain import name_as_title
from indexer.readers.typed import moment
from search.errors import BrokenFile, InvalidEncoding, NoText

PROLOGUE_BYTES = 4096
CHARSET = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
WEB_CODECS = re.compile(
    r"utf-8(-sig)?|ascii|iso8859-\d+|cp(125\d|866|874|93[26]|949|950)|koi8-[ru]|mac-(roman|cyrillic)"
    r"|gbk|gb2312|gb18030|big5(hkscs)?|euc_(jp|kr)|iso2022_jp|shift_jis"
)
"""Python's names of what pages are written in; some of its other codecs rewrite or refuse any text."""
READ_AS = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
}
"""Declared encodings that browsers read as a wider one, since that is what pages are written in."""

MAIN = ("//main | //*[@role='main']", "//article[not(ancestor::article)]")
ASIDE = (
    "//nav | //footer | //aside | //header[not(.//h1)] | //*[@role='navigation' or @role='banner' "
    "or @role='contentinfo' or @role='search' or @role='complementary']"
)
ASIDE_IN_MAIN = ".//nav | .//*[@role='navigation']"
JUDGED_CHARACTERS_MAX = 500_000
"""A longer file is a book or an export, not a web page; judging its blocks would take minutes."""

# Its remarks on odd pages are not for the people who read those pages.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

WORD = re.compile(r"\w+")

CREATED = ("article:published_time", "datepublished", "dcterms.created", "dc.date", "date", "pubdate")
MODIFIED = ("article:modified_time", "datemodified", "og:updated_time", "dcterms.modified", "last-modified")
KEPT = {"author": "author", "description": "description", "keywords": "keywords", "og:site_name": "site"}
"""Which ``meta`` becomes which metadata field."""


@dataclass(frozen=True, slots=True)
class HtmlReader:
    """Reads one web page."""

    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the one document; raise ``NoText`` for a page without text."""
        page = decode_page(read_whole(stream, name, self.limits.file_bytes), name)
        root = parse_page(page, name)
        meta = meta_values(root)
        language = storable(root.get("lang") or root.get("xml:lang") or "").strip()
        own_title = words_of(root.find(".//title"))
        composer = Composer()
        compose(main_blocks(root, page), composer)
        if not composer.length:
            raise NoText(f"{name} is a page without text; what its scripts would show is not in the file")
        yield Extracted(
            text=composer.text,
            title=title_of(own_title, meta, composer.headings) or name_as_title(name),
            media_type="text/html",
            headings=tuple(composer.headings),
            language=language or None,
            created_at=first_moment(meta, CREATED),
            modified_at=first_moment(meta, MODIFIED),
            fields={field: meta[source] for source, field in KEPT.items() if source in meta},
        )


def decode_page(data: bytes, name: str) -> str:
    """Return the text of a page: by byte order mark, by the charset it declares, or as plain text."""
    declared = None if declared_by_itself(data) else declared_charset(data)
    try:
        text = decode_as(data, declared, name) if declared else ""
    except InvalidEncoding:
        text = ""
    return unix_lines(text) if text and not looks_binary(text) else decode(data, name)


def declared_charset(data: bytes) -> str | None:
    """Return the codec of the charset that the beginning of a page names, if pages are written in it."""
    found = CHARSET.search(data[:PROLOGUE_BYTES])
    if not found:
        return None
    try:
        codec = codecs.lookup(found[1].decode("ascii")).name
    except (LookupError, UnicodeError):
        return None
    # In real UTF-16 the declaration would not have been found, so a page that claims it is wrong.
    return READ_AS.get(codec, codec) if WEB_CODECS.fullmatch(codec) else None


def parse_page(page: str, name: str) -> html.HtmlElement:
    """Return the tree of a page, or raise ``NoText`` or ``BrokenFile``."""
    try:
        root = parse(page)
    except etree.LxmlError:
        raise BrokenFile(f"{name} is not HTML that can be read: its tags are nested too deeply") from None
    if root is None:
        raise NoText(f"{name} is a page without text")
    return root


def main_blocks(root: html.HtmlElement, page: str) -> list[Block]:
    """Return the blocks of a page's main part; changes ``root``."""
    for path in MAIN:
        areas = root.xpath(path)
        found = list(blocks(without(areas[0], ASIDE_IN_MAIN))) if len(areas) == 1 else []
        if found:
            return found
    everything = list(blocks(root))
    found = list(blocks(without(root, ASIDE)))
    if found and sum(len(block.text) for block in found) <= JUDGED_CHARACTERS_MAX:
        found = without_boilerplate(found, page)
    return found or everything


def without(area: html.HtmlElement, path: str) -> html.HtmlElement:
    """Return ``area`` after taking out what ``path`` finds, the text behind each left in place."""
    for element in area.xpath(path):
        if element is not area and element.getparent() is not None:
            element.drop_tree()
    return area


def without_boilerplate(found: list[Block], page: str) -> list[Block]:
    """Return the blocks that trafilatura finds in the main text, and the headings over them.

    Where it keeps less than half of the text outside links it has missed the point, and all stay.
    """
    judged = trafilatura.bare_extraction(page, include_comments=False)
    kept_text = letters(judged.text or "") if judged is not None else ""
    kept = [letters(block.text) in kept_text for block in found]
    outside_links = sum(len(block.text) - block.link_characters for block in found)
    if 2 * sum(len(block.text) for block, keep in zip(found, kept, strict=True) if keep) < outside_links:
        return found
    return [block for block, keep in zip(found, with_headings(found, kept), strict=True) if keep]


def with_headings(found: list[Block], kept: list[bool]) -> list[bool]:
    """Return ``kept`` with every heading added that has a kept block below it before the next heading."""
    result = list(kept)
    below = False
    for index in reversed(range(len(found))):
        if found[index].level is None:
            below = below or kept[index]
        else:
            result[index] = kept[index] or below
            below = False
    return result


def letters(text: str) -> str:
    """Return letters and digits only, so that two ways of laying out a text compare equal."""
    return "".join(WORD.findall(text))


def meta_values(root: html.HtmlElement) -> dict[str, str]:
    """Return the page's ``meta`` and ``itemprop`` values by lower-case name; of several the first."""
    values: dict[str, str] = {}
    for element in root.xpath("//meta[@content] | //*[@itemprop][@content or @datetime]"):
        name = element.get("property") or element.get("name") or element.get("itemprop")
        value = one_line(storable(element.get("content") or element.get("datetime") or ""))
        if name and value:
            values.setdefault(name.lower(), value)
    return values


def title_of(own_title: str, meta: Mapping[str, str], headings: Sequence[Heading]) -> str:
    """Return the page's title without the name of its site.

    That is the title it is shared under, or its first heading where ``title`` repeats that among other
    words, or else ``title`` itself.
    """
    first = headings[0].text if headings else ""
    own = first if first.casefold() in own_title.casefold() or not own_title else own_title
    return meta.get("og:title") or own or own_title


def words_of(element: html.HtmlElement | None) -> str:
    """Return the text of an element on one line."""
    return "" if element is None else one_line(storable(element.text_content()))


def first_moment(meta: Mapping[str, str], names: tuple[str, ...]) -> datetime | None:
    """Return the first of the named values that is an ISO 8601 time, in UTC."""
    return next((at for at in (moment(meta.get(name, "")) for name in names) if at), None)
