"""Where paragraphs and sentences end, in English, Chinese and any mixture of both.

A trained splitter would need a model per language and fail on mixed lines; punctuation is enough for
cutting passages, where a boundary missed only makes a passage a little coarser.  So a doubtful mark (an
abbreviation, an initial, a decimal point, a numbered item) is never taken for an end.

``chunking.py`` calls this.  All spans are half-open code point ranges without white space at their ends,
in order, and cover every other character.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator

Span = tuple[int, int]
Splitter = Callable[[str, int, int], Iterator[Span]]

CLOSERS = "”’」』）》〉】〕］\"')]}»"
WIDE_ENDS = "。！？｡"
ENDS = re.compile(rf"[{WIDE_ENDS}.!?…．]+[{re.escape(CLOSERS)}]*")

PARAGRAPH_END = re.compile(
    r"\n[^\S\n]*\n\s*"  # an empty line
    r"|\n(?=\u3000)"  # the next line is indented as Chinese paragraphs are
    rf"|(?<=[{WIDE_ENDS}.!?”」』])\n"  # the line ends where a sentence does
    r"|\n(?=[ \t]*(?:[-*•·●] |\d{1,3}[.)、．]|[(（]\d{1,3}[)）]|[一二三四五六七八九十]{1,3}、))"  # an item
)
CLAUSE_END = re.compile(rf"(?:[，；：、]|——|[,;:](?=[\s\u3400-\u9fff]))[{re.escape(CLOSERS)}]*")
WORD = re.compile(r"\S+")
LINE_END = re.compile(r"\n")

PIECE_CHARACTERS = 32
"""Length of the pieces of a run without any boundary: long enough for words, short against a passage."""

WORD_BEFORE = re.compile(r"(?:^|[^A-Za-z.])([A-Za-z][A-Za-z.]*)\Z")
WORD_CHARACTERS = 16
NUMBER_OF_ITEM = re.compile(r"(?:^|\n)[ \t]*\d{1,3}\Z")
ABBREVIATIONS = frozenset(
    "mr mrs ms dr prof st mt sr jr rev hon gen col capt lt sgt gov sen rep vs cf al approx ca inc ltd co "
    "corp dept univ est ed eds".split()
)
BEFORE_NUMBERS = frozenset("no nos fig figs eq eqs sec sect ch chap p pp vol vols art tab ref refs".split())


def paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the paragraphs of ``text[start:end]``: what empty lines, indents, items and ended lines part."""
    yield from parts(text, start, end, (found.end() for found in PARAGRAPH_END.finditer(text, start, end)))


def sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the sentences of a paragraph, each with its closing quotes and brackets."""
    found = ENDS.finditer(text, start, end)
    yield from parts(text, start, end, (mark.end() for mark in found if is_end(text, mark, end)))


def lines(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the lines that are not empty."""
    yield from parts(text, start, end, (found.end() for found in LINE_END.finditer(text, start, end)))


def clauses(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield what commas, semicolons, colons and dashes part."""
    yield from parts(text, start, end, (found.end() for found in CLAUSE_END.finditer(text, start, end)))


def words(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield what white space parts."""
    return (found.span() for found in WORD.finditer(text, start, end))


def pieces(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield pieces of about ``PIECE_CHARACTERS``."""
    yield from runs(text, start, end, PIECE_CHARACTERS)


def signs(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield single characters, each with the accents and joiners that belong to it."""
    yield from runs(text, start, end, 1)


def runs(text: str, start: int, end: int, length: int) -> Iterator[Span]:
    """Yield runs of ``length`` characters or a few more: an accent stays with what it stands on."""
    while start < end:
        stop = min(end, start + length)
        limit = min(end, stop + PIECE_CHARACTERS)
        while stop < limit and joins(text[stop], text[stop - 1]):
            stop += 1
        yield start, stop
        start = stop


def parts(text: str, start: int, end: int, cuts: Iterator[int]) -> Iterator[Span]:
    """Yield what ascending ``cuts`` make of ``text[start:end]``, trimmed and never empty."""
    for cut in (*cuts, end):
        span = trimmed(text, start, cut)
        if span[0] < span[1]:
            yield span
        start = cut


def trimmed(text: str, start: int, end: int) -> Span:
    """Return the span without the white space at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())


def is_end(text: str, found: re.Match[str], end: int) -> bool:
    """Say whether marks end a sentence."""
    marks = found[0].rstrip(CLOSERS)
    if found.end() >= end or any(mark in WIDE_ENDS for mark in marks):
        return True
    following = text[found.end()]
    if marks == "．":
        return not following.isdigit()
    if not following.isspace():
        between = marks == "." and is_chinese(text[found.start() - 1])
        return is_chinese(following) and (between or marks[-1] in "!?")
    return marks[-1] in "!?" or ends_with_dot(text, found, marks, end)


def ends_with_dot(text: str, found: re.Match[str], marks: str, end: int) -> bool:
    """Say whether a dot or an ellipsis before white space ends a sentence."""
    following = WORD.search(text, found.end(), min(end, found.end() + WORD_CHARACTERS))
    next_character = following[0][0] if following else ""
    if text[found.start() - 1].isspace():  # set apart, as in text that was tokenised once
        return True
    if next_character.islower():
        return False
    return marks != "." or not is_abbreviation(text, found.start(), next_character)


def is_abbreviation(text: str, dot: int, next_character: str) -> bool:
    """Say whether the word before a dot is an abbreviation, an initial or the number of an item."""
    before = text[max(0, dot - WORD_CHARACTERS) : dot]
    if NUMBER_OF_ITEM.search(before):
        return True
    found = WORD_BEFORE.search(before)
    if not found:
        return False
    word = found[1]
    if word.lower() in BEFORE_NUMBERS:
        return next_character.isdigit()
    initial = len(word) == 1 and word.isupper() and word != "I"
    return initial or "." in word or word.lower() in ABBREVIATIONS


def is_chinese(character: str) -> bool:
    """Say whether a character is written without spaces around it."""
    return "\u3400" <= character <= "\u9fff"


def joins(character: str, before: str) -> bool:
    """Say whether a character makes one sign with the one before it: accents, variants, joined emoji."""
    modifier = unicodedata.category(character).startswith("M") or "\U0001f3fb" <= character <= "\U0001f3ff"
    return modifier or "\u200d" in (character, before)
