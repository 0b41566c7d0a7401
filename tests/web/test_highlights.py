import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.extracts import EXTRACT_CHARACTERS
from search.model import Highlight, PassageText
from web.pages.highlights import Piece, excerpt, pieces, whole


def passage(text, start=0):
    return PassageText(id=1, ordinal=0, start=start, end=start + len(text), text=text, heading="", page=None)


def test_the_text_is_cut_at_its_spans():
    found = pieces("pandas eat bamboo", [Highlight(11, 17), Highlight(0, 6)])
    assert found == [Piece("pandas", 4), Piece(" eat ", 0), Piece("bamboo", 4)]


def test_overlapping_spans_mark_each_character_once():
    assert pieces("abcdef", [Highlight(1, 4), Highlight(2, 3), Highlight(3, 5)]) == [
        Piece("a", 0),
        Piece("bcd", 4),
        Piece("e", 4),
        Piece("f", 0),
    ]


def test_a_mark_is_as_deep_as_its_weight():
    spans = [Highlight(start, start + 1, weight) for start, weight in enumerate((1, 0.7, 0.5, 0.3, 0.01))]
    assert [piece.depth for piece in pieces("abcdef", spans)] == [4, 3, 2, 1, 1, 0]


def test_spans_count_from_the_start_of_the_document():
    shown = excerpt(
        passage("大熊猫吃竹子", start=100), [Highlight(104, 106), Highlight(90, 101), Highlight(50, 60)]
    )
    assert shown.pieces == [Piece("大", 4), Piece("熊猫吃", 0), Piece("竹子", 4)]
    assert not shown.cut_before and not shown.cut_after


def test_an_excerpt_shows_where_most_is_marked_and_cuts_between_words():
    text = "alpha " + "word " * 300 + "panda bamboo panda " + "word " * 300
    at = text.index("panda")
    shown = excerpt(passage(text), [Highlight(0, 5), Highlight(at, at + 5), Highlight(at + 6, at + 12)])
    words = "".join(piece.text for piece in shown.pieces)
    assert [piece.text for piece in shown.pieces if piece.depth] == ["panda", "bamboo"]
    assert set(words.split()) == {"word", "panda", "bamboo"}
    assert shown.cut_before and shown.cut_after


def test_without_marks_an_excerpt_is_the_beginning():
    shown = excerpt(passage("word " * 300), [])
    assert "".join(piece.text for piece in shown.pieces) == ("word " * 64).rstrip()
    assert not shown.cut_before and shown.cut_after


def test_a_chinese_excerpt_has_half_the_characters():
    shown = excerpt(passage("竹林" * 500), [])
    assert sum(len(piece.text) for piece in shown.pieces) == EXTRACT_CHARACTERS // 2


def test_the_whole_passage_has_all_its_marks():
    bamboo = "竹林" * 250
    found = whole(
        passage(f"{bamboo}\n{bamboo}\n熊\n\n \n猫", start=7), [Highlight(0, 8), Highlight(1009, 1010)]
    )
    assert [piece.text for piece in found if piece.depth] == ["竹", "熊"]
    assert "".join(piece.text for piece in found) == f"{bamboo}{bamboo}熊\n猫"


@given(st.text(min_size=1), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40))))
def test_no_character_is_lost_and_exactly_the_spans_are_marked(text, pairs):
    spans = [Highlight(min(a, b), min(max(a, b), len(text))) for a, b in pairs]
    found = pieces(text, spans)
    assert "".join(piece.text for piece in found) == text
    marked = [piece.depth > 0 for piece in found for _ in piece.text]
    expected = [any(span.start <= i < span.end for span in spans) for i in range(len(text))]
    assert marked == expected


@pytest.mark.parametrize("text", ["x" * 2000, "字" * 2000, "ab " * 700])
def test_an_excerpt_is_never_longer_than_its_length(text):
    shown = excerpt(passage(text), [Highlight(1990, 1995)])
    assert sum(len(piece.text) for piece in shown.pieces) <= EXTRACT_CHARACTERS
