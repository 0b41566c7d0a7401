"""Where sentences and paragraphs end, judged by eye on both languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.sentences import PIECE_CHARACTERS, clauses, lines, paragraphs, pieces, sentences, signs, words


def cut(splitter, text):
    return [text[start:end] for start, end in splitter(text, 0, len(text))]


@pytest.mark.parametrize(
    "expected",
    [
        ["One. ", "Two! ", "Three? ", "Four"],
        ["今天下雨。", "明天呢？", "晴天！", "好"],
        ["他说：“走吧。”", "然后他走了。"],
        ["（真的！）", "她笑了……然后哭了。"],
        ["「來嗎？」", "他問。"],
        ['"Really?" ', "she asked. ", '(He was late.) ', "Done."],
        ["Dr. Smith paid $3.14 to J. Doe, i.e. nothing. ", "Then he left."],
        ["See Fig. 3 and p. 12 of vol. 2. ", "No. ", "That is all."],
        ["It grew by 4.5 in 1999. ", "Then it fell."],
        ["So do I. ", "You too."],
        ["版本 3.5.1 已发布。", "请升级到 v4.0！"],
        ["他走了.", "她来了."],
        ["Look at https://x.example/a?b=c.d now. ", "Yes."],
        ["Wait... he said nothing. ", "Really?! ", "Yes."],
        ["1. First item. ", "It is long."],
        ["他用Python写的。", "It works. ", "好用!", "真的"],
        ["the karman technique . ", "comparison was made ."],
        ["A。。。", "B"],
    ],
)  # fmt: skip
def test_sentences(expected):
    assert cut(sentences, "".join(expected)) == [sentence.strip() for sentence in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n\ntwo\n \t\n\n three", ["one", "two", "three"]),
        ("hard\nwrapped\nlines", ["hard\nwrapped\nlines"]),
        ("A line.\nAnother.\nwrapped\nhere", ["A line.", "Another.", "wrapped\nhere"]),
        ("第一段没有句号\n　　第二段缩进", ["第一段没有句号", "第二段缩进"]),
        ("list:\n- one\n- two\n  more\n• three", ["list:", "- one", "- two\n  more", "• three"]),
        ("1. one\n2) two\n（3）three\n四、four", ["1. one", "2) two", "（3）three", "四、four"]),
        ("since\n2024 no item", ["since\n2024 no item"]),
        ("“他来了。”\n她走了", ["“他来了。”", "她走了"]),
        (" \n\n ", []),
    ],
)  # fmt: skip
def test_paragraphs(text, expected):
    assert cut(paragraphs, text) == expected


def test_clauses():
    assert cut(clauses, "one, two; three: 4,000 and 5:30，六；七——八、九") == [
        "one,", "two;", "three:", "4,000 and 5:30，", "六；", "七——", "八、", "九",
    ]  # fmt: skip
    assert cut(clauses, "东西,像醋(盐,糖)") == ["东西,", "像醋(盐,", "糖)"]


def test_lines_and_words():
    assert cut(lines, "one two\n\n three ") == ["one two", "three"]
    assert cut(words, " one two\n\u3000three ") == ["one", "two", "three"]


def test_pieces_keep_signs_whole():
    assert cut(pieces, "x" * 70) == ["x" * 32, "x" * 32, "x" * 6]
    accent = "x" * (PIECE_CHARACTERS - 1) + "e\u0301" + "y"
    assert cut(pieces, accent) == [accent[:-1], "y"]
    family = "x" * (PIECE_CHARACTERS - 1) + "👩\u200d👩\u200d👧" + "y"
    assert cut(pieces, family) == [family[:-1], "y"]


def test_signs_are_single():
    assert cut(signs, "ae\u0301潮👍🏽") == ["a", "e\u0301", "潮", "👍🏽"]


def test_an_abbreviation_is_looked_for_in_a_few_characters_only():
    assert cut(sentences, "x" * 100 + ". Next.") == ["x" * 100 + ".", "Next."]


MIXED = st.text(st.sampled_from("ab A1。，.!?\n　“”）- 的了"), max_size=200)


@pytest.mark.parametrize("splitter", [paragraphs, sentences, lines, clauses, words, pieces, signs])
@given(text=MIXED, data=st.data())
def test_parts_are_in_order_and_cover_every_letter(splitter, text, data):
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    spans = list(splitter(text, start, end))
    ends = [start, *(border for span in spans for border in span), end]
    assert ends == sorted(ends)
    assert all(first < last for first, last in spans)
    assert all(text[first:last] == text[first:last].strip() for first, last in spans) or splitter in (
        pieces,
        signs,
    )
    covered = {at for first, last in spans for at in range(first, last)}
    assert all(text[at].isspace() for at in range(start, end) if at not in covered)
