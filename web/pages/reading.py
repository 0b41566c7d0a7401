"""A document's text cut into the blocks that a page shows, one for each passage.

Passages overlap and leave gaps, and HTML elements cannot overlap.  So block i runs from the start of
passage i to the start of the next, and the tail of passage i that lies in block i + 1 is marked off
there.  The style sheet then lights up the block that the address points to, and the tail after it:
together exactly the passage.

The lines of a PDF are joined where only its paper ended them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from indexer.line_ends import paper_joined, shown
from indexer.records import DocumentDetail, PassagePlace

PDF = "application/pdf"
BLOCKS_PER_PAGE = 200
"""A page of a book-length document must stay light enough to scroll."""


@dataclass(frozen=True, slots=True)
class Block:
    """The text from the start of one passage to the start of the next."""

    ordinal: int
    page: int | None
    """Shown only where it differs from the block before."""
    tail: str
    """The end of the passage before, where it overlaps this one."""
    body: str
    """What belongs to this passage and not to the one before."""
    gap: str
    """What belongs to no passage, up to the next."""


def page_of(ordinal: int) -> int:
    """Return the number of the page, from 1, on which the passage is shown."""
    return ordinal // BLOCKS_PER_PAGE + 1


def page_count(detail: DocumentDetail) -> int:
    """Return how many pages the document has, at least 1."""
    return max(1, -(-len(detail.passages) // BLOCKS_PER_PAGE))


def blocks(detail: DocumentDetail, page: int) -> list[Block]:
    """Return the blocks of one page; ``passages`` are in order of their start."""
    first = (page - 1) * BLOCKS_PER_PAGE
    last = min(len(detail.passages), first + BLOCKS_PER_PAGE)
    text = _text(detail)
    return [_block(text, detail.passages, index) for index in range(first, last)]


def preface(detail: DocumentDetail) -> str:
    """Return what stands before the first passage; the whole text where there is none."""
    text = _text(detail)
    return shown(text[: detail.passages[0].start] if detail.passages else text)


def _text(detail: DocumentDetail) -> str:
    return paper_joined(detail.text) if detail.document.media_type == PDF else detail.text


def _block(text: str, passages: Sequence[PassagePlace], index: int) -> Block:
    passage = passages[index]
    before = passages[index - 1] if index else None
    limit = passages[index + 1].start if index + 1 < len(passages) else len(text)
    end = min(passage.end, limit)
    tail = min(end, before.end) if before and before.end > passage.start else passage.start
    return Block(
        ordinal=passage.ordinal,
        page=passage.page if before is None or before.page != passage.page else None,
        tail=shown(text[passage.start : tail]),
        body=shown(text[tail:end]),
        gap=shown(text[end:limit]),
    )
