"""Reading streams without ever holding more of them than a limit allows.

A stream may be a file, an upload or a pipe, so nothing here seeks.  The readers call this instead of
``stream.read()``.
"""

import io
from typing import BinaryIO

from search.errors import EmptyInput, TooLarge

SKIP_BYTES = 64 * 1024
PIECE_BYTES = 1024 * 1024


def read_whole(stream: BinaryIO, name: str, limit: int) -> bytes:
    """Return all bytes of ``stream``; raise ``EmptyInput`` for none and ``TooLarge`` over ``limit``."""
    # In pieces: asked for all at once, a stream sets memory aside for the limit and not for the file.
    data = bytearray()
    while len(data) <= limit and (piece := stream.read(min(PIECE_BYTES, limit + 1 - len(data)))):
        data += piece
    if not data:
        raise EmptyInput(f"{name} is empty")
    if len(data) > limit:
        raise TooLarge(
            f"{name} is larger than {in_words(limit)}, the most one file may have; split it",
            limit_bytes=limit,
        )
    return bytes(data)


def in_words(count: int) -> str:
    """Return a number of bytes as people say it: ``64 MiB``, ``1.5 MiB``, ``300 bytes``."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= size:
            return f"{count / size:.4g} {unit}"
    return f"{count} bytes"


def read_line(stream: BinaryIO, limit: int) -> bytes | None:
    """Return the next line with its newline, ``b""`` at the end, ``None`` for a line over ``limit`` bytes.

    Of an overlong line at most ``limit`` bytes are held; the rest is read past in small pieces.
    """
    line = stream.readline(limit + 1)
    if len(line) <= limit:
        return line
    while line and not line.endswith(b"\n"):
        line = stream.readline(SKIP_BYTES)
    return None


class Rejoined(io.RawIOBase):
    """A stream whose first bytes were taken to look at, put together again."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill ``buffer`` from the head, and from the rest once that is used up."""
        piece = self._head[: len(buffer)] if self._head else self._rest.read(len(buffer))
        self._head = self._head[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


def peek(stream: BinaryIO, count: int) -> tuple[bytes, BinaryIO]:
    """Return the first ``count`` bytes (fewer at the end) and a stream that still begins with them."""
    head = stream.read(count)
    return head, io.BufferedReader(Rejoined(head, stream))
