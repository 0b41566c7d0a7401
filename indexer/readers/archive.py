"""The parts of a ZIP archive, never unpacked beyond a limit.

A few kilobytes can declare gigabytes.  What an archive declares is added up before anything is unpacked,
and what is unpacked is counted again, because a declaration may lie.

The DOCX reader calls this.
"""

import io
import lzma
import zipfile
import zlib
from dataclasses import dataclass

from indexer.readers.bounded import in_words
from search.errors import BrokenFile, EncryptedFile, TooLarge, UnknownFileType

RATIO_MAX = 200
"""Declared size over packed size; documents have 5 to 50, a bomb of the same byte about 1,000."""

RATIO_COUNTS_FROM_BYTES = 1024 * 1024
PARTS_MAX = 10_000

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError, ValueError)
"""What zipfile raises on an archive that breaks the format."""


@dataclass(frozen=True, slots=True)
class Archive:
    """An opened archive whose declared sizes are within the limits."""

    name: str
    zip: zipfile.ZipFile
    part_bytes: int
    """Most bytes that one part may unpack to."""

    def has(self, part: str) -> bool:
        """Say whether there is a part of this path."""
        return part in self.zip.NameToInfo

    def part(self, path: str) -> bytes:
        """Return the unpacked bytes of a part that is there.

        Raises:
            BrokenFile: they are damaged.
            EncryptedFile: they need a password.
            TooLarge: there are more than declared sizes let expect.
        """
        info = self.zip.getinfo(path)
        if info.flag_bits & 1:
            raise EncryptedFile(f"{self.name} is protected by a password; save it without one")
        try:
            with self.zip.open(info) as packed:
                data = packed.read(self.part_bytes + 1)
        except DAMAGED as error:
            raise broken(self.name) from error
        if len(data) > self.part_bytes:
            raise bomb(self.name, self.part_bytes)
        return data


def opened(data: bytes, name: str, part_bytes: int, unpacked_bytes: int) -> Archive:
    """Return the archive in ``data``.

    Raises:
        BrokenFile: it is cut short or damaged.
        TooLarge: it declares more than the limits, or an impossible compression.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except DAMAGED as error:
        raise broken(name) from error
    infos = archive.infolist()
    if sum(info.file_size for info in infos) > unpacked_bytes or len(infos) > PARTS_MAX:
        raise bomb(name, unpacked_bytes)
    if any(map(is_bomb, infos)):
        raise TooLarge(f"{name} unpacks to over {RATIO_MAX} times its size; such a file is not unpacked")
    return Archive(name, archive, part_bytes)


def is_bomb(info: zipfile.ZipInfo) -> bool:
    """Say whether a part declares more than any document compresses to."""
    large = info.file_size >= RATIO_COUNTS_FROM_BYTES
    return large and info.file_size > RATIO_MAX * max(1, info.compress_size)


def broken(name: str) -> BrokenFile:
    """Return the refusal of a damaged archive."""
    return BrokenFile(f"{name} is damaged or cut short; get the file again")


def bomb(name: str, limit: int) -> TooLarge:
    """Return the refusal of an archive that unpacks to too much."""
    return TooLarge(
        f"{name} unpacks to more than {in_words(limit)}; such a file is not unpacked", limit_bytes=limit
    )


def unexpected(archive: Archive, wanted: str) -> UnknownFileType:
    """Return the refusal of an archive that is something else than ``wanted``."""
    known = (
        ("xl/workbook.xml", "a spreadsheet (.xlsx)"),
        ("ppt/presentation.xml", "a presentation (.pptx)"),
        ("META-INF/container.xml", "an electronic book (.epub)"),
        ("content.xml", "an OpenDocument file"),
        ("META-INF/MANIFEST.MF", "a Java archive"),
    )
    found = next((label for part, label in known if archive.has(part)), "some other ZIP archive")
    return UnknownFileType(f"{archive.name} is no {wanted}; its content looks like {found}")
