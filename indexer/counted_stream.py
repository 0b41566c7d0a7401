"""A stream that tells how many bytes have been read of it, even where it knows no position of its own."""

import io
from collections.abc import Callable
from typing import Any, BinaryIO

_BUFFER_BYTES = 64 * 1024


def counted(stream: BinaryIO, moved: Callable[[int], None]) -> BinaryIO:
    """Return a stream of the same bytes that calls ``moved`` with the number of each read."""
    return io.BufferedReader(_Counted(stream, moved), _BUFFER_BYTES)


class _Counted(io.RawIOBase):
    """The unbuffered stream below ``counted``."""

    def __init__(self, stream: BinaryIO, moved: Callable[[int], None]) -> None:
        self._stream = stream
        self._moved = moved

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the stream gives bytes, and return how many; 0 at its end."""
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._moved(len(data))
        return len(data)
