"""Plain text: the whole file is the text, decoded by ``decoding.py``.

Called through ``catalog.py`` for ``.txt`` and its like, and for text without any extension.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from indexer.readers.base import Extracted, Limits, Refused
from indexer.readers.bounded import read_whole
from indexer.readers.decoding import decode
from search.errors import NoText


@dataclass(frozen=True, slots=True)
class PlainReader:
    """Reads plain text in UTF-8, UTF-16, GB18030 or Big5; the title is the file's name."""

    limits: Limits

    def read(self, stream: BinaryIO, name: str) -> Iterator[Extracted | Refused]:
        """Yield the one document; raise ``NoText``, ``InvalidEncoding`` or ``UnknownFileType``."""
        text = decode(read_whole(stream, name, self.limits.file_bytes), name)
        if not text.strip():
            raise NoText(f"{name} holds white space only")
        yield Extracted(text=text, title=name_as_title(name), media_type="text/plain")


def name_as_title(name: str) -> str:
    """Return the file name without folders and extension, the title of what has no other."""
    return PurePosixPath(name).stem
