"""Files that cannot be stored, or not whole, and what must be said of them, in the shell and in the API."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

WORDS = "The kingfisher digs a tunnel into the river bank and lays its eggs at the end of it."


@dataclass(frozen=True)
class BadFile:
    """A file, and the refusals it must lead to: place behind its name, code, words of the sentence."""

    name: str
    content: Callable[[], bytes]
    refusals: tuple[tuple[str, str, tuple[str, ...]], ...]
    stored: tuple[str, ...] = ()
    """Keys of what is good in it and must be stored."""


def bad(name, content, code, *words):
    """Return a file that is refused as a whole."""
    return BadFile(name, content if callable(content) else lambda: content, (("", code, words),))


def records(name, content, refusals, stored):
    return BadFile(name, content if callable(content) else lambda: content.encode(), refusals, stored)


def pdf(text=WORDS):
    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", size=12)
    if text:
        document.multi_cell(0, text=text)
    return bytes(document.output())


def locked_pdf():
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf())))
    writer.encrypt("secret", algorithm="AES-256")
    held = io.BytesIO()
    writer.write(held)
    return held.getvalue()


def docx(text=WORDS, packing=zipfile.ZIP_DEFLATED):
    """Return a Word document with as little in it as Word takes."""
    types = (
        b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override '
        b'PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
        b'wordprocessingml.document.main+xml"/></Types>'
    )
    relations = (
        b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        b'<Relationship Id="r1" Target="word/document.xml" Type="http://schemas.openxmlformats.org/'
        b'officeDocument/2006/relationships/officeDocument"/></Relationships>'
    )
    document = (
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p>'
        b"<w:r><w:t>" + text.encode() + b"</w:t></w:r></w:p></w:body></w:document>"
    )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", packing) as archive:
        archive.writestr("[Content_Types].xml", types)
        archive.writestr("_rels/.rels", relations)
        archive.writestr("word/document.xml", document)
    return held.getvalue()


def damaged_docx():
    """Return a Word document, packed by LZMA, in which the middle of the text is other bytes."""
    data = bytearray(docx(WORDS * 50, zipfile.ZIP_LZMA))
    middle = data.index(b"word/document.xml") + 120
    data[middle : middle + 40] = bytes(40)
    return bytes(data)


def lines(*given):
    """Return JSON Lines of records, and of whatever is no record."""
    return "\n".join(line if isinstance(line, str) else json.dumps(line) for line in given)


def record(key, text=None):
    return {"key": key, "text": text or f"{WORDS} ({key})"}


SEVEN = lines(
    *(record(f"seven-{number}") for number in range(1, 7)), '{"key": "seven-7", "text"', record("seven-8")
)
RAGGED = "key,title,text\nragged-1,One,First\nragged-2,Two\nragged-3,Three,Third,words\nragged-4,Four,Last\n"
ODD = lines(
    record("odd-1"),
    {"key": "odd-2", "text": " \n"},
    {"key": "odd-3", "title": "no text at all"},
    r'{"key": "odd-4", "text": "half a pair: \ud83d"}',
    '{"key": "odd-5", "text": "a number", "n": NaN}',
    '["no", "object"]',
    '{"key": "odd-7", "text": ' + "[" * 20_000,
    '{"key": "odd-8", "text": "digits", "n": ' + "9" * 5000 + "}",
    {"key": ["odd-9"], "text": "A key that is a list."},
    {"key": "odd-10", "text": "mixed", "tags": [1, "a"]},
    '{"key": "odd-11", "text": "once", "text": "twice"}',
    {"key": "", "text": "A blank key is none, so that this has one made of its content."},
    {"key": "odd-13" + "x" * 600, "text": "A key without end."},
    record("odd-14"),
)

BAD_FILES = (
    bad("empty.txt", b"", "empty_input", "is empty"),
    bad("empty.jsonl", b"", "empty_input", "is empty"),
    bad("blank.md", b" \n\t\n", "no_text", "blank.md"),
    bad("song.mp3", b"ID3" + bytes(100), "unknown_file_type", ".mp3 files are not read", ".pdf"),
    bad("photo.txt", b"\x89PNG\r\n\x1a\n" + bytes(50), "unknown_file_type", "says .txt", "a PNG picture"),
    bad("report.pdf", WORDS.encode(), "unknown_file_type", "report.pdf", "its name says .pdf"),
    bad("notes.md", pdf, "unknown_file_type", "its name says .md", "a PDF document"),
    bad("truncated.pdf", lambda: pdf()[:600], "broken_file", "truncated.pdf", "cut short"),
    bad("rubbish.pdf", b"%PDF-1.7\n" + b"rubbish " * 99 + b"\n%%EOF", "broken_file", "rubbish.pdf"),
    bad("locked.pdf", locked_pdf, "encrypted_file", "locked.pdf", "password"),
    bad("scan.pdf", lambda: pdf(""), "no_text", "scan.pdf", "text layer"),
    bad("truncated.docx", lambda: docx()[:-200], "broken_file", "truncated.docx"),
    bad("damaged.docx", damaged_docx, "broken_file", "damaged.docx"),
    bad("titled.html", b"<title>" + b"t" * 2001 + b"</title><p>Text", "invalid_record", "2001", "2000"),
    bad("bomb.docx", lambda: docx("0" * 30_000_000), "too_large", "bomb.docx", "times its size"),
    bad(
        "pictures.html",
        b"<html><title>Pictures</title><body><script>let a = 1</script><img src='a.png'></body></html>",
        "no_text",
        "pictures.html",
    ),
    bad("bytes.txt", WORDS.encode() + b" \xff\xfe\xfa \x80\x81", "invalid_encoding", "bytes.txt"),
    bad("array.json", b'[{"text": 1}, 2', "invalid_record", "array.json", "no JSON"),
    records(
        "seven.jsonl",
        SEVEN,
        ((", line 7", "invalid_record", ("no JSON",)),),
        (*(f"seven-{number}" for number in range(1, 7)), "seven-8"),
    ),
    records(
        "ragged.csv",
        RAGGED,
        (
            (", line 3", "invalid_record", ("2", "3")),
            (", line 4", "invalid_record", ("4", "3")),
        ),
        ("ragged-1", "ragged-4"),
    ),
    records(
        "odd.jsonl",
        ODD,
        (
            (", line 2", "no_text", ("no text",)),
            (", line 3", "no_text", ("no text", "text, content or body")),
            (", line 4", "invalid_record", ("'text'", "surrogate")),
            (", line 5", "invalid_record", ("NaN",)),
            (", line 6", "invalid_record", ("no JSON object",)),
            (", line 7", "invalid_record", ("deeply",)),
            (", line 8", "invalid_record", ("digits",)),
            (", line 9", "invalid_record", ("key", "must be text")),
            (", line 10", "invalid_record", ("'tags'",)),
            (", line 11", "invalid_record", ("same field twice",)),
            (": odd-13" + "x" * 600, "invalid_record", ("1 to 512 characters",)),
        ),
        ("odd-1", "odd-14"),
    ),
    records(
        "twice.jsonl",
        lines(record("twice", "Said once."), record("once"), record("twice", "Said again.")),
        ((": twice", "duplicate_key", ("'twice'", "earlier")),),
        ("twice", "once"),
    ),
)
"""Each must be refused where it says so, and cost nothing but that."""
