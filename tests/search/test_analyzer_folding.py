"""Folding: the same text as Python's own NFKC gives, and an exact map back."""

import sys
from itertools import pairwise
from unicodedata import category, normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.text import normalize as folding
from search.text.chinese import simplified_characters
from search.text.normalize import fold
from search.text.scripts import MARKS

letters = st.text(max_size=30) | st.text(
    alphabet=st.sampled_from(
        "aAé\u0301\u0327ßﬁ½①㎏ＡｶﾞﾊﾟｱĀ각\u1100\u1161\u11a8漢体\u00ad\u200b\ufe0f，。 \u0958\u09be\u09c7\ud800"
    ),
    max_size=20,
)


def reference(text):
    """The whole text folded at once, with no care for where things came from."""
    visible = folding._INVISIBLE_CHARACTER.sub("", text.translate(folding._APOSTROPHES_AND_HYPHENS))
    folded = normalize("NFKC", visible)
    return folded.translate(folding._APOSTROPHES_AND_HYPHENS).translate(simplified_characters())


@settings(max_examples=600, deadline=None)
@given(letters)
def test_cluster_by_cluster_equals_all_at_once(text):
    assert fold(text).text == reference(text)


@settings(max_examples=300, deadline=None)
@given(letters)
def test_the_map_is_in_order_and_inside(text):
    folded = fold(text)
    spans = [folded.span(place, place + 1) for place in range(len(folded.text))]
    assert spans == sorted(spans)
    assert all(0 <= start < end <= len(text) for start, end in spans)
    clusters = sorted(set(spans))
    assert all(end <= start for (_, end), (start, _) in pairwise(clusters))


@pytest.mark.parametrize(
    ("text", "folded", "spans"),
    [
        ("plain", "plain", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)]),
        ("ﬁx", "fix", [(0, 1), (0, 1), (1, 2)]),
        ("e\u0301x", "éx", [(0, 2), (2, 3)]),
        ("ｶﾞ", "ガ", [(0, 2)]),
        ("ＡＢ，", "AB,", [(0, 1), (1, 2), (2, 3)]),
        ("a\u00adb", "ab", [(0, 2), (2, 3)]),  # an invisible character goes with the one before it
        ("電\u0301腦", "电\u0301脑", [(0, 1), (1, 2), (2, 3)]),
        ("\u1112\u1161\u11ab", "한", [(0, 3)]),
        ("👩\u200d🔬a", "👩🔬a", [(0, 2), (2, 3), (3, 4)]),
    ],
)
def test_by_hand(text, folded, spans):
    result = fold(text)
    assert result.text == folded
    assert [result.span(place, place + 1) for place in range(len(folded))] == spans


def test_every_single_character_folds_as_python_folds_it():
    points = [*range(0x3400), *range(0x9F00, 0xAC20), *range(0xD7A0, 0x20100), *range(0x2F800, 0x2FA20)]
    assert [hex(point) for point in points if fold(chr(point)).text != reference(chr(point))] == []


def test_all_marks_of_unicode_are_known():
    marks = {point for point in range(sys.maxunicode + 1) if category(chr(point)).startswith("M")}
    known = set()
    for first, dash, last in zip(MARKS[::3], MARKS[1::3], MARKS[2::3], strict=True):
        assert dash == "-"
        known |= set(range(ord(first), ord(last) + 1))
    assert known == marks


def test_simplified_characters_are_final():
    table = simplified_characters()
    assert len(table) > 3000
    assert {chr(point): table[point] for point in map(ord, "漢語電腦體")} == dict(
        zip("漢語電腦體", "汉语电脑体", strict=True)
    )
    assert [form for form in table.values() if ord(form) in table] == []
