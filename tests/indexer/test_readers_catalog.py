"""Which reader reads what: extensions, contents that contradict them, and names without any."""

import io
import zipfile
from pathlib import Path

import pytest

from indexer.readers.catalog import extension_of, read_source, readable_extensions
from indexer.readers.signatures import looks_like
from search.errors import EmptyInput, InvalidEncoding, NoText, UnknownFileType

FILES = Path(__file__).parent.parent / "files" / "readers"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def read(data, name):
    return list(read_source(io.BytesIO(data), name))


@pytest.mark.parametrize(
    ("name", "extension"),
    [
        ("a.txt", ".txt"),
        ("b/A.PDF", ".pdf"),
        ("README", ""),
        (".profile", ""),
        ("b/.env", ""),
        ("notes v1.2", ""),
        ("Meeting 2024.05.01", ""),
        ("song.mp3", ".mp3"),
        ("x.tar.gz", ".gz"),
        ("x.7z", ".7z"),
        ("ends with a dot.", ""),
        ("潮汐.md", ".md"),
        ("a.docx/b", ""),
    ],
)
def test_extension(name, extension):
    assert extension_of(name) == extension


def test_an_unknown_extension_says_what_is_read():
    with pytest.raises(
        UnknownFileType, match=r"a\.xyz: \.xyz files are not read; what is read: \.csv, \.docx"
    ) as told:
        read(b"clean text", "a.xyz")
    assert told.value.details == {"extension": ".xyz", "known": list(readable_extensions())}


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("notes.txt", b"%PDF-1.7\n...", "its name says .txt but its content looks like a PDF document"),
        ("notes.md", PNG, "looks like a PNG picture"),
        ("report.pdf", PNG, "its name says .pdf but its content looks like a PNG picture"),
        ("report.pdf", b"just text", "looks like nothing that a .pdf file begins with"),
        ("report.pdf", b"PK\x03\x04", "looks like a ZIP archive"),
        ("report.docx", b"just text", "looks like nothing that a .docx file begins with"),
        ("report.docx", b"%PDF-1.7\n...", "looks like a PDF document"),
        ("data.csv", b"PK\x03\x04xl/", "looks like a ZIP archive"),
        ("data.jsonl", b"\x1f\x8b\x08\0", "looks like a gzip archive"),
        ("page.html", b"\xff\xd8\xff\xe0", "looks like a JPEG picture"),
        ("README", PNG, "its content looks like a PNG picture"),
        ("old.txt", b"{\\rtf1\\ansi", "looks like an RTF document"),
    ],
)
def test_a_lying_extension_is_told_what_the_file_is(name, data, told):
    with pytest.raises(UnknownFileType) as caught:
        read(data, name)
    assert told in str(caught.value)
    assert str(caught.value).startswith(name)


def test_an_archive_called_docx():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        made.writestr("photo.jpg", b"x")
    with pytest.raises(UnknownFileType, match="some other ZIP archive"):
        read(stream.getvalue(), "a.docx")


@pytest.mark.parametrize(
    "text", ["BZhang wrote this", "ID3 tags explained", "GIF89 is a format", "MZ", "BM25 ranks", "Pay ftyp"]
)
def test_words_that_begin_like_a_signature_are_words(text):
    assert looks_like(text.encode()) is None
    assert read(text.encode(), "a.txt")[0].text == text


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"clean text", "text/plain"),
        (b"<!DOCTYPE html><p>page", "text/html"),
        (b"\xef\xbb\xbf\n <HTML><p>page", "text/html"),
        ((FILES / "harbour.pdf").read_bytes(), "application/pdf"),
        (
            (FILES / "harbour.docx").read_bytes(),
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
    ],
    ids=["text", "page", "page with mark", "pdf", "docx"],
)
def test_without_extension_the_content_decides(data, media_type):
    assert read(data, "README")[0].media_type == media_type


def test_html_called_markdown_is_markdown():
    assert read(b"<p>words</p>", "a.md")[0].text == "words"


@pytest.mark.parametrize(
    "name", ["a.txt", "a.pdf", "a.docx", "a.csv", "a.jsonl", "a.json", "a.html", "a.md", "README"]
)
def test_an_empty_file(name):
    with pytest.raises(EmptyInput, match=f"{name} is empty"):
        read(b"", name)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json", "a.html", "a.md", "README"])
def test_white_space_only(name):
    with pytest.raises(NoText):
        read(b" \n\n ", name)


def test_invalid_utf8():
    with pytest.raises(InvalidEncoding):
        read(b"caf\xe9 au lait, na\xefve", "a.txt")


def test_what_was_read_is_left_open():
    stream = io.BytesIO(b"text,depth\nwords,1\n")
    assert next(read_source(stream, "a.csv")).text == "words"
    assert not stream.closed
