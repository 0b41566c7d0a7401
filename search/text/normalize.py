"""Fold text into the one form in which it is compared, and remember where each character came from.

The same word may be written full-width, with a ligature, with combining accents, in traditional
characters or with a soft hyphen inside.  All of that is folded away before text is cut into words; the
map back to the original makes the offsets of a word exact, because highlights are painted on what the
author wrote.  Letter case stays: ``camelCase`` is cut by it, and it never changes where a word ends.

NFKC composes across neighbours, so it is applied to one cluster at a time (a character and the marks
that follow it): what comes out belongs to exactly that cluster.  Most text needs no cluster work at all
and gets the identity map.  The analyzer is the only caller.
"""

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from unicodedata import is_normalized, normalize

from search.text.chinese import simplified_characters
from search.text.scripts import MARKS

# Soft hyphen, zero-width characters, directional controls, variation selectors.
_INVISIBLE = (
    "\u00ad\u034f\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufe00-\ufe0f\U000e0100-\U000e01ef"
)
# Vowels and finals of decomposed hangul compose with what stands before, though they are no marks.
_JAMO = "\u1160-\u11ff"
_FOLLOWERS = f"{MARKS}{_INVISIBLE}{_JAMO}"
# Characters that no normalisation changes, unless a follower comes after them.
_PLAIN = "\x00-\x7f\u3400-\u4dbf\u4e00-\u9fff\u2013\u2014\u201c\u201d\u3001-\u3002\u3008-\u3011"

_INVISIBLE_CHARACTER = re.compile(f"[{_INVISIBLE}]")
_CLUSTER = re.compile(f"(?P<plain>[{_PLAIN}]+(?![{_FOLLOWERS}]))|.[{_FOLLOWERS}]*", re.DOTALL)

_APOSTROPHES_AND_HYPHENS = {0x2018: "'", 0x2019: "'", 0x02BC: "'", 0x2010: "-", 0x2011: "-", 0x2212: "-"}


@dataclass(frozen=True, slots=True)
class Folded:
    """Folded ``text``; its character ``i`` stands for the original's code points ``starts[i]:ends[i]``."""

    text: str
    starts: Sequence[int] | None
    """None together with ``ends`` where folding moved nothing."""
    ends: Sequence[int] | None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the range of the original text behind the non-empty range ``start:end`` of this one."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> Folded:
    """Return ``text`` in NFKC, half-width, in simplified characters, without invisible characters."""
    if text.isascii():
        return Folded(text, None, None)
    replaced = text.translate(_single_characters())
    if is_normalized("NFKC", replaced) and not _INVISIBLE_CHARACTER.search(replaced):
        return Folded(replaced, None, None)
    return _fold_clusters(replaced)


def _fold_clusters(text: str) -> Folded:
    """Fold cluster by cluster; ``text`` is as long as the original, so its offsets are the original's."""
    pieces: list[str] = []
    starts, ends = array("I"), array("I")
    for cluster in _CLUSTER.finditer(text):
        first, last = cluster.span()
        if cluster.lastgroup:
            pieces.append(cluster.group())
            starts.extend(range(first, last))
            ends.extend(range(first + 1, last + 1))
            continue
        folded = _fold_cluster(cluster.group())
        pieces.append(folded)
        starts.extend([first] * len(folded))
        ends.extend([last] * len(folded))
    return Folded("".join(pieces), starts, ends)


def _fold_cluster(cluster: str) -> str:
    visible = normalize("NFKC", _INVISIBLE_CHARACTER.sub("", cluster))
    return visible.translate(_single_characters())


@cache
def _single_characters() -> dict[int, str]:
    """Return code point -> the one character it is folded to, where that needs no look at neighbours."""
    table = dict(_APOSTROPHES_AND_HYPHENS)
    simplified = simplified_characters()
    # The ideographic space, compatibility ideographs, full-width and half-width forms.
    for point in (0x3000, *range(0xF900, 0xFB00), *range(0xFF01, 0xFFEF), *range(0x2F800, 0x2FA20)):
        folded = normalize("NFKC", chr(point))
        if len(folded) == 1 and folded != chr(point):
            table[point] = simplified.get(ord(folded), folded)
    return table | simplified
