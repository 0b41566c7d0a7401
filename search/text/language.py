"""Which of the two languages a text is written in, judged by its script alone.

Good enough for what hangs on it (which query mean a question loses, what a document list shows) and right
for a text of three characters, where statistics of letters are not.
"""

import re
from typing import Literal

from search.text.scripts import HAN

ZH_FROM_SHARE = 0.25

_HAN_CHARACTER = re.compile(f"[{HAN}]")
_OTHER_WORD = re.compile(f"[^\\W\\d_{HAN}]+")


def han_share(text: str) -> float:
    """Return the Chinese share of ``text``, from 0 to 1; 0 where nothing is written in letters.

    A Chinese character counts as much as a whole word of another script, so that the names and
    identifiers in a Chinese question do not make it English.  Numbers count for neither.
    """
    characters = len(_HAN_CHARACTER.findall(text))
    words = len(_OTHER_WORD.findall(text))
    return characters / (characters + words) if characters else 0.0


def language(text: str) -> Literal["en", "zh"]:
    """Return the language most of ``text`` is written in.

    From a Chinese share of a quarter on it is Chinese: Chinese pages about programs hold that much
    code, and English prose never holds one Chinese character to three words.
    """
    return "zh" if han_share(text) >= ZH_FROM_SHARE else "en"
