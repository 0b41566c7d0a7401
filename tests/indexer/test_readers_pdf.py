"""PDF: pages and metadata of real files, and every way in which one can be unreadable."""

import io
import logging
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DecodedStreamObject, NameObject

from indexer.readers.base import Limits
from indexer.readers.pdf import PdfTextReader, moment
from search.errors import BrokenFile, EncryptedFile, NoText, TooLarge

SAMPLE = Path(__file__).parent.parent / "files" / "readers" / "harbour.pdf"


USUAL = Limits()


def read(data, name="a.pdf", limits=USUAL):
    return next(PdfTextReader(limits).read(io.BytesIO(data), name))


def pdf(*pages, **settings):
    made = FPDF()
    made.set_creation_date(datetime(2024, 5, 1, tzinfo=UTC))
    made.set_font("Helvetica", size=12)
    for page in pages:
        made.add_page()
        if page:
            made.multi_cell(0, text=page)
    for name, value in settings.items():
        getattr(made, name)(value)
    return bytes(made.output())


def rewritten(data, **encryption):
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(data)))
    if encryption:
        writer.encrypt(algorithm="AES-256", **encryption)
    saved = io.BytesIO()
    writer.write(saved)
    return saved.getvalue()


def test_pages_begin_where_they_begin():
    document = read(pdf("First page.", "", "Third page."))
    assert document.text == "First page.\n\nThird page."
    assert document.page_starts == (0, 11, 13)
    assert document.text[13:] == "Third page."


def test_empty_pages_at_both_ends():
    document = read(pdf("", "Second.", ""))
    assert (document.text, document.page_starts) == ("Second.", (0, 0, 7))


def test_information_becomes_typed_fields():
    document = read(pdf("Words.", set_title="Low  tide", set_author="Lin", set_subject="Harbours"))
    assert document.title == "Low tide"
    assert document.fields == {"author": "Lin", "subject": "Harbours"}
    assert document.created_at == datetime(2024, 5, 1, tzinfo=UTC)
    assert read(pdf("Words."), "reports/spring.pdf").title == "spring"


def test_both_languages_come_out_of_a_subset_font():
    document = read(SAMPLE.read_bytes())
    first, second = document.page_starts[1:]
    assert document.text[first:second].strip() == "退潮时的港口\n渔船搁在泥滩上，等潮水回来。"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("D:20240501083000+08'00'", datetime(2024, 5, 1, 8, 30, tzinfo=timezone(timedelta(hours=8)))),
        ("D:20240501083000-0130", datetime(2024, 5, 1, 10, 0, tzinfo=UTC)),
        ("D:20240501083000Z", datetime(2024, 5, 1, 8, 30, tzinfo=UTC)),
        ("D:202405", datetime(2024, 5, 1, tzinfo=UTC)),
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("D:20240230", None),
        ("D:00010101000000+23'00'", None),
        ("1 May 2024", None),
        ("", None),
    ],
)
def test_dates(text, expected):
    assert moment(text) == expected


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_broken(share):
    data = SAMPLE.read_bytes()
    with pytest.raises(BrokenFile, match=r"a\.pdf is cut short"):
        read(data[: int(len(data) * share)])


def test_a_linearised_file_cut_short_is_broken_although_it_has_an_early_end_mark():
    data = SAMPLE.read_bytes()
    early = data[: data.index(b"\n") + 1] + b"%%EOF\n" + data[data.index(b"\n") + 1 :]
    with pytest.raises(BrokenFile, match="cut short"):
        read(early[:-1500])


@pytest.mark.parametrize(
    "data",
    [
        b"%PDF-1.7\nnothing here\n%%EOF",
        b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog /Pages 1 0 R >>\nendobj\n"
        b"trailer << /Root 1 0 R >>\nstartxref\n9\n%%EOF",
        b"%PDF-1.7\n" + b"[" * 100_000 + b"\n%%EOF",
    ],
    ids=["no objects", "pages that hold themselves", "deep nesting"],
)
def test_a_file_without_sense_is_broken(data):
    with pytest.raises(BrokenFile, match=r"a\.pdf .*(damaged|cut short)"):
        read(data)


def test_zeros_behind_the_end_do_no_harm():
    assert read(pdf("Words.") + b"\0" * 5000).text == "Words."


def test_a_password_is_asked_for_by_name():
    locked = rewritten(pdf("Secret words."), user_password="tide", owner_password="moon")
    with pytest.raises(EncryptedFile, match=r"a\.pdf is protected by a password"):
        read(locked)


def test_the_empty_password_is_no_lock():
    opened = rewritten(pdf("Words for all."), user_password="", owner_password="moon")
    assert PdfReader(io.BytesIO(opened)).is_encrypted
    assert read(opened).text == "Words for all."


def test_a_scan_is_told_so():
    with pytest.raises(NoText, match="may be a scan"):
        read(pdf("", ""))


def test_too_many_pages_or_too_much_text():
    data = pdf("one", "two", "three")
    with pytest.raises(TooLarge, match="has 3 pages; at most 2"):
        read(data, limits=Limits(pages=2))
    with pytest.raises(TooLarge, match="more than 5 characters"):
        read(data, limits=Limits(text_characters=5))


def test_a_page_that_unpacks_without_end_is_too_large():
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("words"))))
    content = DecodedStreamObject()
    content.set_data(b" " * 100_000_000)
    writer.pages[0][NameObject("/Contents")] = writer._add_object(content.flate_encode(9))
    saved = io.BytesIO()
    writer.write(saved)
    assert len(saved.getvalue()) < 200_000
    with pytest.raises(TooLarge, match=r"page 1 of a\.pdf unpacks to more than is safe to read"):
        read(saved.getvalue())


def test_remarks_of_the_library_stay_in_the_library(caplog):
    data = pdf("Words.").replace(b"startxref\n", b"startxref\n1")
    with caplog.at_level(logging.WARNING):
        assert read(data).text == "Words."
    assert caplog.records == []
