"""Which characters belong to which script, as the insides of regular-expression classes.

The analyzer cuts text where the script changes, and the language rule counts by script; both read the
same classes from here.
"""

from itertools import chain
from unicodedata import category

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
"""Chinese characters, with the iteration mark 々 and the zero 〇."""

UNSPACED = (
    "\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # hangul
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0edf\u1000-\u1049\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
)
"""Scripts that leave no space between words, or (hangul) write a word and its particles as one."""


def _ranges(characters: list[str]) -> str:
    """Return sorted characters as ranges, so that the class stays short."""
    ranges: list[list[str]] = []
    for character in characters:
        if ranges and ord(ranges[-1][1]) == ord(character) - 1:
            ranges[-1][1] = character
        else:
            ranges.append([character, character])
    return "".join(f"{first}-{last}" for first, last in ranges)


# Where Unicode has marks at all; looking at every character would take a third of a second.
_PLACES_OF_MARKS = (
    range(0x300, 0x3400),
    range(0xA000, 0xAC00),
    range(0xFB00, 0xFF00),
    range(0x10000, 0x12000),
    range(0x13000, 0x14000),
    range(0x16000, 0x17000),
    range(0x1B000, 0x1F000),
    range(0xE0100, 0xE01F0),
)

MARKS = _ranges([chr(point) for point in chain(*_PLACES_OF_MARKS) if category(chr(point)).startswith("M")])
"""Combining marks: vowel signs, accents, variation selectors.  Python's ``\\w`` leaves them out."""
