"""What the first bytes of a file say it is, whatever its name says.

A PDF called ``notes.txt`` would be stored as garbage and a picture called ``report.pdf`` refused as a
damaged PDF; both deserve to be told what the file really is.

``catalog.py`` calls this.
"""

HEAD_BYTES = 4096
PDF_MARK_WITHIN = 1024
"""Viewers accept a PDF whose mark stands anywhere in the first kilobyte."""

PDF = "a PDF document"
ZIP = "a ZIP archive"
OLE = "an Office document of the old binary kind (.doc, .xls, .ppt)"

MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (0, b"\x1f\x8b\x08", "a gzip archive"),
    (0, b"\xfd7zXZ\x00", "an xz archive"),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x7fELF", "a program"),
    (0, b"\x1aE\xdf\xa3", "a Matroska video"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"%!PS-Adobe", "a PostScript document"),
)

MARKS_OF_LETTERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"MZ", "a program"),
    (0, b"BZh", "a bzip2 archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"OggS", "an Ogg recording"),
    (0, b"fLaC", "a FLAC recording"),
    (0, b"ID3", "an MP3 recording"),
    (8, b"WAVE", "a WAV recording"),
    (4, b"ftyp", "an MP4 video"),
)
"""Text may begin so too; they count only where a zero byte shows that this is none."""

HTML_BEGINS = (b"<!doctype html", b"<html")


def looks_like(head: bytes) -> str | None:
    """Return what a file that begins with ``head`` is, in words, or ``None`` where nothing tells."""
    if b"%PDF-" in head[:PDF_MARK_WITHIN]:
        return PDF
    marks = MARKS + MARKS_OF_LETTERS if b"\0" in head else MARKS
    return next((label for at, mark, label in marks if head[at:].startswith(mark)), None)


def looks_like_html(head: bytes) -> bool:
    """Say whether a text begins as a web page does."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(HTML_BEGINS)
