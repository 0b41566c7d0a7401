"""Line ends that are no more than the width of the paper, told from those that mean something.

The text of a PDF comes in the lines of its pages, and many a text file in lines of 72 columns.  On a
screen of another width these lines break twice, so pages and the shell join them; stored text and offsets
stay as they are.  A joined text has the same length, so that offsets still hold: a joined line end has
become a space, or ``JOINT`` between two Chinese characters and after a hyphen, which ``shown`` leaves out.
"""

import re

JOINT = "\0"
"""Stands where nothing is to be shown; no stored text holds it."""
FULL = 0.8
"""A line this wide, as a part of the widest ones, was ended by the paper; a shorter one by its writer."""
PAPER_MIN = 20
"""Columns; no paper is as narrow as that, so shorter lines are those of a list, a table or a poem."""
WIDEST_RANK = 0.9
"""The quantile of line widths that counts as the width of the paper; a few lines stand out."""

WIDE_CHARACTER = r"[\u1100-\u115f\u2e80-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60]"
"""Fills two columns, and needs no space before or after it."""
WIDE = re.compile(f"{WIDE_CHARACTER}+")
LINE_END = re.compile(r"(?<![^\S\n])[^\S\n]*\n(?=[^\S\n]*\S)(?![^\S\n]*(?:[-*•]|\d+\.)[^\S\n])")
"""With the white space before it, looked for from its first character only: a run of blanks is read once.
One before an item of a list means something."""


def paper_joined(text: str) -> str:
    """Join each full line with the next; headings, lists, verses and ends of paragraphs are shorter."""
    widths = sorted(filter(None, (_width(line) for line in text.split("\n"))))
    widest = widths[int(WIDEST_RANK * (len(widths) - 1))] if widths else 0
    if widest < PAPER_MIN:
        return text
    full = FULL * widest

    def joined(end: re.Match[str]) -> str:
        line = text[text.rfind("\n", 0, end.start()) + 1 : end.start()]
        return _joint(text, end) if _width(line) >= full else end[0]

    return LINE_END.sub(joined, text)


def shown(text: str) -> str:
    """Return what is to be seen of a joined text."""
    return text.replace(JOINT, "")


def _joint(text: str, end: re.Match[str]) -> str:
    before, after = text[end.start() - 1 : end.start()], text[end.end() : end.end() + 1]
    seamless = (WIDE.match(before) and WIDE.match(after)) or (before == "-" and after.isalpha())
    return (JOINT if seamless else " ") * len(end[0])


def _width(line: str) -> int:
    """Return the width of a line in columns; a Chinese character fills two."""
    line = line.strip()
    return len(line) + sum(map(len, WIDE.findall(line)))
