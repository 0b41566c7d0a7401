from datetime import UTC, datetime

from indexer.records import DocumentDetail, DocumentSummary, PassagePlace
from web.pages.reading import BLOCKS_PER_PAGE, blocks, page_count, page_of, preface

NOW = datetime(2025, 11, 20, tzinfo=UTC)


def detail(text, places, pages=None, media_type="text/plain"):
    dates = {"authored_at": None, "modified_at": None, "created_at": NOW, "updated_at": NOW}
    summary = DocumentSummary("k", "", "k", media_type, "en", len(text), len(places), **dates, metadata={})
    passages = [
        PassagePlace(i + 1, i, start, end, "", pages[i] if pages else None)
        for i, (start, end) in enumerate(places)
    ]
    return DocumentDetail(summary, text, passages)


def test_a_block_and_the_tail_after_it_are_exactly_the_passage():
    text = "0123456789abcdefghij"
    document = detail(text, [(2, 8), (6, 12), (14, 20)])
    first, second, third = blocks(document, 1)
    assert preface(document) == "01"
    assert first.tail + first.body == "2345" and second.tail == "67"
    assert first.tail + first.body + second.tail == text[2:8]
    assert (second.tail, second.body, second.gap) == ("67", "89ab", "cd")
    assert (third.tail, third.body, third.gap) == ("", "efghij", "")


def test_the_blocks_of_all_pages_are_the_whole_text():
    text = "".join(chr(0x4E00 + i % 5000) for i in range(50 + 10 * 450))
    places = [(50 + 10 * i, min(len(text), 50 + 10 * i + 13)) for i in range(450)]
    document = detail(text, places)
    assert page_count(document) == 3
    shown = [block for page in (1, 2, 3) for block in blocks(document, page)]
    assert [block.ordinal for block in shown] == list(range(450))
    assert preface(document) + "".join(b.tail + b.body + b.gap for b in shown) == text
    assert {page_of(b.ordinal) for b in blocks(document, 2)} == {2}
    assert len(blocks(document, 2)) == BLOCKS_PER_PAGE


def test_a_page_number_is_shown_where_it_changes():
    document = detail("abcdef", [(0, 2), (2, 4), (4, 6)], pages=[1, 1, 2])
    assert [block.page for block in blocks(document, 1)] == [1, None, 2]


def test_a_document_without_passages_is_shown_whole():
    document = detail("...", [])
    assert (preface(document), blocks(document, 1), page_count(document)) == ("...", [], 1)


def test_the_lines_of_a_pdf_flow_and_passages_stay_where_they_are():
    text = "one full line of words\nand another line of it\nend\n\nnext paragraph of words"
    start = text.index("another")
    shown = blocks(detail(text, [(0, start), (start, len(text))], media_type="application/pdf"), 1)
    assert shown[0].body == "one full line of words and "
    assert shown[1].body == "another line of it end\n\nnext paragraph of words"
    assert "words\nand" in blocks(detail(text, [(0, start)]), 1)[0].body
