"""Bytes to text: which encoding they are in, decided by rules that a person can check.

Statistical detectors need a few hundred bytes; a Chinese note may have ten.  So the order is: a byte
order mark; strict UTF-8 (text in another encoding passes it almost never); UTF-16 that shows itself by
its zero bytes; and last GB18030 against Big5, which accept nearly the same bytes, by how common the
characters are that each would give.  Mojibake is made of rare characters, so the same measure refuses
bytes that are text in none of them (Latin-1, Shift-JIS, a damaged UTF-8 file).

The plain text, Markdown and HTML readers call ``decode``; the CSV reader calls ``detect`` on a sample.
"""

import codecs
from functools import cache

from indexer.readers.common_hanzi import COMMON
from search.errors import InvalidEncoding, UnknownFileType

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    ("\ufeff".encode("gb18030"), "gb18030"),
)

LABELS = {"big5hkscs": "Big5", "cp1252": "Windows-1252"}
"""What people call the codecs whose own name is no help."""

PLAUSIBLE = 0.3
"""Lowest mean commonness of text.  Correct Chinese of 40 characters has .54 to .95 and seldom less than
.3 even at ten; damaged UTF-8 read as GB18030 has .2 at most, other encodings about 0."""

JUDGED_CHARACTERS = 100_000
CONTROL_SHARE_MAX = 0.005
CONTROLS = frozenset(map(chr, range(0x20))) - set("\t\n\v\f\r\x1b")


def decode(data: bytes, name: str) -> str:
    """Return the text of ``data``, with U+000A for every line end.

    Raises:
        InvalidEncoding: the bytes are text in none of UTF-8, UTF-16, GB18030 and Big5.
        UnknownFileType: they are no text at all.
    """
    text = decode_as(data, declared_by_itself(data) or detect(data, name), name)
    if looks_binary(text):
        raise UnknownFileType(f"{name} holds binary data, not text")
    return unix_lines(text)


def decode_as(data: bytes, encoding: str, name: str) -> str:
    """Return ``data`` read as ``encoding``, without a byte order mark, or raise ``InvalidEncoding``."""
    try:
        return data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        label = LABELS.get(encoding, encoding.upper())
        message = f"{name} is not valid {label}: see byte {error.start}; save it as UTF-8"
        raise InvalidEncoding(message, byte=error.start) from None


def unix_lines(text: str) -> str:
    """Return ``text`` with U+000A for every line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def declared_by_itself(data: bytes) -> str | None:
    """Return the codec that a byte order mark at the start of ``data`` names."""
    return next((codec for mark, codec in BYTE_ORDER_MARKS if data.startswith(mark)), None)


def detect(data: bytes, name: str, complete: bool = True) -> str:
    """Return the codec of ``data``, which has no byte order mark.

    Args:
        data: the whole text, or its beginning.
        name: what the user calls the source.
        complete: whether ``data`` ends where the text ends; else a last broken character is no fault.

    Raises:
        InvalidEncoding: no encoding gives plausible text.
        UnknownFileType: zero bytes show that this is no text.
    """
    if b"\0" in data:
        return detect_utf16(data, name)
    if decoded(data, "utf-8", complete) is not None:
        return "utf-8"
    best, score = most_plausible(data, ("gb18030", "big5hkscs"), complete)
    if score < PLAUSIBLE:
        best, score = most_plausible(data, ("utf-16-le", "utf-16-be"), complete)
    if score < PLAUSIBLE:
        message = f"{name} is text in none of UTF-8, UTF-16, GB18030 and Big5; save it as UTF-8"
        raise InvalidEncoding(message)
    return best


def detect_lines(data: bytes, name: str, complete: bool) -> str:
    """Return the codec of a source whose lines are judged one by one later, so that a few may be damaged.

    Like ``detect``, but UTF-8 is also taken where most lines beyond ASCII are valid in it.
    """
    try:
        return detect(data, name, complete)
    except InvalidEncoding:
        lines = [line for line in data.splitlines() if not line.isascii()]
        valid = sum(decoded(line, "utf-8", complete=True) is not None for line in lines)
        if 2 * valid > len(lines):
            return "utf-8"
        raise


def detect_utf16(data: bytes, name: str) -> str:
    """Return the byte order of UTF-16 that has no mark; zero bytes in anything else mean binary data."""
    for codec in ("utf-16-le", "utf-16-be"):
        text = decoded(data, codec, complete=False)
        if text and "\0" not in text and all_plausible(text[:JUDGED_CHARACTERS]):
            return codec
    raise UnknownFileType(f"{name} holds binary data, not text")


def decoded(data: bytes, codec: str, complete: bool) -> str | None:
    """Return the text, or ``None`` where ``data`` is invalid in ``codec``."""
    try:
        return codecs.getincrementaldecoder(codec)().decode(data, final=complete)
    except UnicodeDecodeError:
        return None


def most_plausible(data: bytes, candidates: tuple[str, str], complete: bool) -> tuple[str, float]:
    """Return the codec under which ``data`` is the commonest text and how common; the first on a tie."""
    scores = [plausibility(decoded(data, codec, complete)) for codec in candidates]
    best = max(scores)
    return candidates[scores.index(best)], best


def plausibility(text: str | None) -> float:
    """Return the mean commonness of the characters beyond ASCII, from -.5 to 1; -1 for no text at all."""
    if text is None:
        return -1.0
    judged = [commonness(character) for character in text[:JUDGED_CHARACTERS] if character > "\x7f"]
    return sum(judged) / len(judged) if judged else -1.0


@cache
def commonness(character: str) -> float:
    """Return how much a character speaks for the text that holds it, from -.5 to 1.

    Both standards put their frequent characters into a first level of their own (GB 2312: lead bytes
    B0 to D7; Big5: A4 to C6), and a list of the most frequent few hundred sharpens short texts.
    """
    if character in COMMON:
        return 1.0
    if is_symbol(character):
        return 0.5
    if "\u4e00" <= character <= "\u9fff":
        return 0.3 if in_first_level(character) else -0.2
    return -0.5


def is_symbol(character: str) -> bool:
    """Say whether this is punctuation or a sign that ordinary Chinese text uses."""
    wide = "\u3000" <= character <= "\u3011" or "\uff01" <= character <= "\uff5e"
    return wide or character in "·—–‘’“”…‰℃°±×÷§№→←↑↓￥€"


def in_first_level(character: str) -> bool:
    """Say whether GB 2312 or Big5 counts a Chinese character among its frequent ones."""
    return any(
        low <= character.encode(codec, "replace")[0] <= high
        for codec, low, high in (("gb2312", 0xB0, 0xD7), ("big5", 0xA4, 0xC6))
    )


def all_plausible(text: str) -> bool:
    """Say whether nine of ten characters belong to ordinary English or Chinese text."""
    strange = sum(not character.isascii() and commonness(character) <= 0 for character in text)
    return 10 * strange <= len(text)


def looks_binary(text: str) -> bool:
    """Say whether decoded text is no text: it holds U+0000, or more than a few control characters."""
    if "\0" in text:
        return True
    return sum(map(text.count, CONTROLS)) > CONTROL_SHARE_MAX * len(text)


def lone_surrogates(text: str) -> bool:
    """Say whether ``text`` holds code points that no encoding can store."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
