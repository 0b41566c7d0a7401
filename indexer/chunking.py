"""Cut a document into the passages that are encoded, searched and shown.

A passage keeps to its section and holds whole sentences, as many as an encoder reads well: the budget
counts tokens of that encoder's own tokenizer, title and headings included, since these travel with every
passage.  Neighbours in a section overlap by whole sentences, so that an answer on a border is whole in
one of them.  Every character that is text is in some passage; a heading's line is not, because its words
are in the path of headings, unless nothing stands below it.

The work is linear in the text: each stretch is counted once at each level of cutting, and a stretch that
cannot fit is never handed to the tokenizer whole.

The pipeline calls ``chunk`` and ``passage_input``.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from indexer.outline import HeadingPath, Part, common_path, outline
from indexer.readers.base import Extracted
from indexer.sentences import Span, Splitter, clauses, lines, paragraphs, pieces, sentences, signs, words

CHUNKER_VERSION = "1"
"""Part of every content hash: a change of what this file produces changes it."""

HEADING_SEPARATOR = " / "
CONTEXT_PIECES_MAX = 64
"""Most that title and headings may weigh, in pieces: a third of the usual budget of 200 tokens."""

TITLE_PIECES_MAX = 40
LETTERS_PER_PIECE = 4

CHARACTERS_PER_TOKEN_MAX = 16
"""A longer stretch than this for every token of the budget is cut before it is counted.  Tokenizers take
a long run of letters for one unknown token, or hours."""

TINY = 1 / 8
"""Share of the budget below which a section joins its neighbour."""

BUDGET_TOKENS_MIN = 16

CountTokens = Callable[[str], int]

FINER: tuple[Splitter, ...] = (lines, clauses, words, pieces, signs)
"""How a sentence over the budget is cut, and what of it is still over, and so on."""

# A Chinese character is a word, and so is what stands between spaces.
CONTEXT_WORD = re.compile(
    r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]|[^\s\u3000-\u30ff\u3400-\u9fff]+"
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One passage: ``text[start:end]`` of its document, without white space at its ends."""

    start: int
    end: int
    heading: str
    """The headings above it, outermost first, without the document's title."""
    page: int | None
    """The page on which it begins, from 1."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is never cut: a sentence, or a part of one that would not fit."""

    start: int
    end: int
    cost: int
    """Tokens, at least 1."""
    ends_paragraph: bool


@dataclass(frozen=True, slots=True)
class Section:
    """Text under one heading, or under several that were too short to stand alone."""

    path: HeadingPath
    line: tuple[Unit, ...]
    """The heading's own line, which comes before the text."""
    units: tuple[Unit, ...]

    @property
    def cost(self) -> int:
        """Tokens of the text."""
        return sum(unit.cost for unit in self.units)


def chunk(
    document: Extracted, count_tokens: CountTokens, budget_tokens: int, overlap_tokens: int
) -> list[Chunk]:
    """Return the passages of a document in order; none for a document without text.

    Args:
        document: headings ascending by start.
        count_tokens: the tokens of a text for the encoder, special tokens left out.
        budget_tokens: most tokens of ``passage_input`` for a passage.  A budget under three times
            ``CONTEXT_PIECES_MAX`` can be exceeded by long titles: the text always gets a third of it.
        overlap_tokens: most tokens of sentences that a passage repeats from the one before it.

    Raises:
        ValueError: the budget is below ``BUDGET_TOKENS_MIN``, or the overlap not below half of it.
    """
    if budget_tokens < BUDGET_TOKENS_MIN or not 0 <= overlap_tokens < budget_tokens / 2:
        raise ValueError(f"no passages of {budget_tokens} tokens can overlap by {overlap_tokens}")
    cutter = Cutter(document, count_tokens, budget_tokens, overlap_tokens)
    return [passage for section in cutter.sections() for passage in cutter.passages(section)]


def passage_input(title: str, heading: str, text: str) -> str:
    """Return what an encoder reads of a passage: title, path of headings, then its text.

    Title and headings are cut at ``CONTEXT_PIECES_MAX`` by whole words; of several headings the outermost
    go first.
    """
    return "\n".join(filter(None, (*context(title, heading), text)))


def context(title: str, heading: str) -> tuple[str, str]:
    """Return title and path of headings as they go into an encoder."""
    title = shortened(title, TITLE_PIECES_MAX)
    left = CONTEXT_PIECES_MAX - weight(title)
    names = heading.split(HEADING_SEPARATOR)
    while len(names) > 1 and weight(HEADING_SEPARATOR.join(names)) > left:
        del names[0]
    return title, shortened(HEADING_SEPARATOR.join(names), left)


def shortened(text: str, pieces_max: int) -> str:
    """Return the beginning of ``text`` up to the last whole word within a weight."""
    end = 0
    for word in CONTEXT_WORD.finditer(text):
        pieces_max -= piece_count(word[0])
        if pieces_max < 0:
            return text[:end]
        end = word.end()
    return text


def weight(text: str) -> int:
    """Return about how many pieces any tokenizer makes of ``text``, so that all encoders read the same."""
    return sum(piece_count(word[0]) for word in CONTEXT_WORD.finditer(text))


def piece_count(word: str) -> int:
    """Return about how many pieces a tokenizer makes of a word."""
    return -(-len(word) // LETTERS_PER_PIECE)


class Cutter:
    """Cuts one document."""

    def __init__(
        self, document: Extracted, count_tokens: CountTokens, budget_tokens: int, overlap_tokens: int
    ) -> None:
        self._document = document
        self._text = document.text
        self._count = count_tokens
        self._budget = budget_tokens
        self._overlap = overlap_tokens

    def sections(self) -> Iterator[Section]:
        """Yield the text under each heading in units; a short section together with the next."""
        waiting: Section | None = None
        for part in outline(self._text, self._document.headings):
            section = self._section(part)
            united = self._united(waiting, section) if waiting else None
            if waiting and not united:
                yield waiting
            waiting = united or section
        if waiting:
            yield waiting

    def passages(self, section: Section) -> Iterator[Chunk]:
        """Yield the passages of one section."""
        heading, pages = self._heading(section.path), self._document.page_starts
        for first, last in self._packed(section):
            start, end = section.units[first].start, section.units[last].end
            yield Chunk(start, end, heading, bisect_right(pages, start) or 1 if pages else None)

    def _section(self, part: Part) -> Section:
        limit = self._room(part.path)
        line = tuple(self._units(part.line_start, part.start, limit))
        return Section(part.path, line, tuple(self._units(part.start, part.end, limit)))

    def _united(self, short: Section, following: Section) -> Section | None:
        """Return two sections in one if the first is short, both stand under one heading and they fit."""
        path = common_path(short.path, following.path)
        related = len(path) >= max(len(short.path), len(following.path)) - 1
        if not related or short.cost >= TINY * self._budget:
            return None
        line = () if short.path == path else short.line
        units = (*line, *short.units, *following.line, *following.units)
        united = Section(path, (), units)
        return united if united.cost <= self._room(path) else None

    def _heading(self, path: HeadingPath) -> str:
        names = [heading.text for heading in path]
        repeats = bool(names) and names[0].strip().casefold() == self._document.title.strip().casefold()
        return HEADING_SEPARATOR.join(names[repeats:])

    def _room(self, path: HeadingPath) -> int:
        """Return how many tokens title and headings leave to the text."""
        around = self._count(passage_input(self._document.title, self._heading(path), ""))
        return max(self._budget - around - 1, self._budget // 3)

    def _units(self, start: int, end: int, limit: int) -> Iterator[Unit]:
        """Yield the sentences of ``text[start:end]``, cut where they cost more than ``limit``."""
        for paragraph in paragraphs(self._text, start, end):
            found = [
                fitting
                for sentence in sentences(self._text, *paragraph)
                for fitting in self._fitting(sentence, limit, FINER)
            ]
            for place, (span, cost) in enumerate(found, start=1):
                yield Unit(*span, cost, ends_paragraph=place == len(found))

    def _fitting(self, span: Span, limit: int, finer: Sequence[Splitter]) -> Iterator[tuple[Span, int]]:
        if span[1] - span[0] <= limit * CHARACTERS_PER_TOKEN_MAX or not finer:
            cost = self._cost(span)
            if cost <= limit or not finer:
                yield span, cost
                return
        for part in finer[0](self._text, *span):
            yield from self._fitting(part, limit, finer[1:])

    def _cost(self, span: Span) -> int:
        """Return the tokens of a span; a long stretch that is one unknown token costs by its length."""
        start, end = span
        return max(1, self._count(self._text[start:end]), (end - start) // CHARACTERS_PER_TOKEN_MAX)

    def _packed(self, section: Section) -> Iterator[tuple[int, int]]:
        """Yield first and last unit of each passage."""
        units, room = section.units, self._room(section.path)
        before = [0, *accumulate(unit.cost for unit in units)]  # tokens before each unit
        first = new = 0
        while new < len(units):
            end = self._end(units, before, first, new, room)
            first, end = self._verified(section, first, new, end)
            yield first, end - 1
            first, new = self._repeated(before, first, end, room), end

    def _end(self, units: Sequence[Unit], before: Sequence[int], first: int, new: int, room: int) -> int:
        """Return the unit at which a passage from ``first`` ends, ``units[new]`` being its first new one.

        At the end of a paragraph rather than inside one, if that fills half of the passage; and what is
        left for the last two passages is shared between them.
        """
        left = before[-1] - before[new]
        space = room - (before[new] - before[first])
        if left <= space:
            return len(units)
        goal = left // 2 if left < 1.5 * room else space
        end = max(new + 1, bisect_right(before, before[new] + min(goal, space)) - 1)
        half = before[new] + goal // 2
        paragraph_ends = (at for at in range(end, new, -1) if units[at - 1].ends_paragraph)
        return next((at for at in paragraph_ends if before[at] >= half), end)

    def _repeated(self, before: Sequence[int], last_first: int, end: int, room: int) -> int:
        """Return the first unit of the passage that goes on from ``end``, always after that of the last."""
        if end >= len(before) - 1:
            return end
        allowed = min(self._overlap, room - (before[end + 1] - before[end]))
        first = end
        while first > last_first + 1 and before[end] - before[first - 1] <= allowed:
            first -= 1
        return first

    def _verified(self, section: Section, first: int, new: int, end: int) -> tuple[int, int]:
        """Return the passage shortened until it fits as a whole: counts of parts need not add up exactly."""
        heading = self._heading(section.path)
        while self._tokens(section.units, first, end, heading) > self._budget:
            if end > new + 1:
                end -= 1
            elif first < new:
                first = new
            else:
                break
        return first, end

    def _tokens(self, units: Sequence[Unit], first: int, end: int, heading: str) -> int:
        text = self._text[units[first].start : units[end - 1].end]
        return self._count(passage_input(self._document.title, heading, text))
