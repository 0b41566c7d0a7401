"""Passages: by hand on small documents, by property on any, linear on monstrous ones."""

import random
import re
import sys
from contextlib import contextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexer.chunking import (
    BUDGET_TOKENS_MIN,
    CONTEXT_PIECES_MAX,
    HEADING_SEPARATOR,
    Chunk,
    chunk,
    context,
    passage_input,
    weight,
)
from indexer.outline import HEADING_CHARACTERS_MAX
from indexer.readers.base import Extracted, Heading
from search.encoders.catalog import open_encoder

TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\s\u4e00-\u9fff]+")
CHINESE = "潮水每天来回两次，月亮牵着它走。退潮时渔船搁在泥滩上，等潮水回来。港口的老人说，潮汐从不迟到！"
ENGLISH = (
    "The tide comes twice a day, pulled by the moon. Boats lie on the mud till it is back. No tide is late! "
)


def count(text):
    """Words and Chinese characters."""
    return len(TOKEN.findall(text))


def document(text, title="", headings=(), page_starts=()):
    return Extracted(text, title, "text/plain", headings=tuple(headings), page_starts=tuple(page_starts))


def composed(*blocks, title=""):
    """A document of blocks; ``(level, words)`` is a heading."""
    text, headings = "", []
    for block in blocks:
        text += "\n\n" if text else ""
        if isinstance(block, tuple):
            headings.append(Heading(len(text), *block))
            block = block[1]
        text += block
    return document(text, title, headings)


def shown(doc, budget=40, overlap=0):
    return [
        (piece.heading, doc.text[piece.start : piece.end]) for piece in chunk(doc, count, budget, overlap)
    ]


def sentence(n, words=7):
    return f"Sentence {n} has " + "w " * (words - 4) + "end."


# By hand


def test_a_short_document_is_one_passage():
    assert chunk(document("  Words of\na note. \n"), count, 40, 8) == [Chunk(2, 18, "", None)]


@pytest.mark.parametrize("text", ["", " \n\t\u3000"])
def test_without_text_there_is_no_passage(text):
    assert chunk(document(text, "Title"), count, 40, 8) == []


def test_short_paragraphs_go_together_and_long_ones_are_cut_between_sentences():
    doc = composed("One.", "Two.", " ".join(sentence(n) for n in range(6)))
    found = [text for _, text in shown(doc, budget=24)]
    assert found[0].startswith("One.\n\nTwo.\n\nSentence 0")
    assert all(text.endswith("end.") for text in found)
    assert " ".join(found).count("Sentence") == 6


def test_a_passage_prefers_to_end_with_a_paragraph():
    doc = composed(" ".join(sentence(n) for n in range(3)), " ".join(sentence(n) for n in range(3, 9)))
    found = [text for _, text in shown(doc, budget=36)]
    assert found[0].endswith("Sentence 2 has w w w end.")


def test_what_is_left_for_two_passages_is_shared():
    doc = composed(" ".join(sentence(n) for n in range(6)))  # 42 tokens into passages of at most 35
    found = [text for _, text in shown(doc, budget=36)]
    assert [count(text) for text in found] == [21, 21]


def test_whole_sentences_overlap():
    doc = composed(" ".join(sentence(n) for n in range(8)))
    found = [re.findall(r"Sentence (\d)", text) for _, text in shown(doc, budget=29, overlap=14)]
    assert found == [["0", "1", "2", "3"], ["2", "3", "4", "5"], ["4", "5", "6", "7"]]
    found = [re.findall(r"Sentence (\d)", text) for _, text in shown(doc, budget=29, overlap=6)]
    assert found == [["0", "1", "2", "3"], ["4", "5", "6", "7"]]


def test_chinese_is_cut_at_its_own_punctuation():
    found = [text for _, text in shown(document(CHINESE * 3), budget=40)]
    assert all(text[-1] in "。！" for text in found)
    assert "".join(found) == CHINESE * 3


def test_a_sentence_over_the_budget_is_cut_at_lines_then_clauses_then_words_then_anywhere():
    rows = "\n".join(f"row {n} of a table without any end" for n in range(10))
    assert all(
        text.startswith("row") and text.endswith("end") for _, text in shown(document(rows), budget=20)
    )
    clauses = "，".join("八个字的一个分句" for _ in range(12))
    assert all(text.rstrip("，").endswith("分句") for _, text in shown(document(clauses), budget=20))
    words = "word " * 100
    assert [count(text) for _, text in shown(document(words), budget=26)] == [25, 25, 25, 25]
    letters = "".join(map(chr, range(0x4E00, 0x4E00 + 200)))
    pieces = [text for _, text in shown(document(letters), budget=40)]
    assert "".join(pieces) == letters
    assert all(count(text) <= 40 for text in pieces)


def test_passages_keep_to_their_sections_and_know_their_headings():
    body = " ".join(sentence(n) for n in range(2))
    doc = composed(
        "Preamble " * 8, (1, "A"), body, (2, "B"), body, (3, "C"), body, (2, "D"), body, (1, "E"), body
    )
    assert [heading for heading, _ in shown(doc)] == ["", "A", "A / B", "A / B / C", "A / D", "E"]
    assert {text for heading, text in shown(doc) if heading} == {body}


def test_the_title_is_not_repeated_in_the_path():
    body = " ".join(sentence(n) for n in range(2))
    doc = composed((1, "Low Tide"), body, (2, "Boats"), body, title="low tide")
    assert [heading for heading, _ in shown(doc)] == ["", "Boats"]


def test_tiny_sections_of_one_parent_go_together_with_their_headings():
    body = " ".join(sentence(n) for n in range(3))
    doc = composed((1, "A"), (2, "B"), "Tiny.", (2, "C"), "Small.", (2, "D"), body)
    assert shown(doc, budget=40)[0] == ("A", f"B\n\nTiny.\n\nC\n\nSmall.\n\nD\n\n{body}")
    assert shown(composed((1, "A"), "Tiny.", (2, "B"), body)) == [("A", f"Tiny.\n\nB\n\n{body}")]


def test_tiny_sections_of_different_parents_stay_apart():
    doc = composed((1, "A"), (2, "B"), "Tiny.", (1, "C"), (2, "D"), "Small.")
    assert shown(doc) == [("A / B", "Tiny."), ("C / D", "Small.")]
    same_words = composed((1, "A"), (2, "Notes"), "Tiny.", (1, "A"), (2, "Notes"), "Small.")
    assert shown(same_words) == [("A / Notes", "Tiny."), ("A / Notes", "Small.")]


def test_a_heading_with_nothing_below_it_is_text_of_its_neighbour():
    body = " ".join(sentence(n) for n in range(2))
    assert shown(composed((1, "Empty"), (1, "A"), body)) == [("A", f"Empty\n\nA\n\n{body}")]
    assert shown(composed((1, "A"), body, (1, "Empty"), (2, "Too"))) == [("A", f"{body}\n\nEmpty\n\nToo")]
    assert shown(composed((1, "All"), (2, "There is"))) == [("", "All\n\nThere is")]


def test_a_very_long_heading_is_text():
    long = "word " * (HEADING_CHARACTERS_MAX // 5) + "end"
    ((heading, text),) = shown(composed((1, long), "Body."), budget=200)
    assert (heading, text) == ("", f"{long}\n\nBody.")


def test_the_page_is_that_of_the_first_word():
    pages = [" ".join(sentence(10 * page + n) for n in range(3)) for page in range(3)]
    text, starts = "\n\n".join(pages), [0, len(pages[0]) + 2, len(pages[0]) + len(pages[1]) + 4]
    found = chunk(document(text, page_starts=starts), count, 23, 0)
    assert [piece.page for piece in found] == [1, 2, 3]
    blank_first = chunk(document("words", page_starts=[0, 0]), count, 23, 0)
    assert blank_first == [Chunk(0, 5, "", 2)]


def test_settings_that_cannot_work_are_refused():
    for budget, overlap in ((BUDGET_TOKENS_MIN - 1, 0), (100, 50), (100, -1)):
        with pytest.raises(ValueError, match=f"no passages of {budget} tokens can overlap by {overlap}"):
            chunk(document("x"), count, budget, overlap)


# What the encoder reads


def test_the_input_is_title_headings_text():
    assert passage_input("Low tide", "Boats / Nets", "Words.") == "Low tide\nBoats / Nets\nWords."
    assert passage_input("", "", "Words.") == "Words."
    assert passage_input("", "Boats", "Words.") == "Boats\nWords."


def test_title_and_headings_are_cut_by_whole_words():
    assert weight("tide 潮汐 harbours") == 1 + 2 + 2
    title, heading = context("words " * 100, HEADING_SEPARATOR.join(["outer " * 30, "middle " * 30, "inner"]))
    assert title == " ".join(["words"] * 20)  # two pieces each, forty in all
    assert heading == "inner"
    assert context("潮" * 100, "")[0] == "潮" * 40
    assert context("", "汐" * 100)[1] == "汐" * CONTEXT_PIECES_MAX
    assert context("x" * 1000, "") == ("", "")


def test_the_budget_counts_title_and_headings():
    text = " ".join(sentence(n) for n in range(40))
    doc = document("A\n\n" + text, "A title of six words here", [Heading(0, 1, "A heading")])
    for piece in chunk(doc, count, 60, 8):
        assert count(passage_input(doc.title, piece.heading, doc.text[piece.start : piece.end])) <= 60


def test_a_long_title_leaves_the_text_a_third():
    doc = document(" ".join(sentence(n) for n in range(20)), "潮" * 40)
    pieces = chunk(doc, count, 30, 0)
    assert all(count(doc.text[piece.start : piece.end]) <= 10 for piece in pieces)
    assert len(pieces) == 20


def test_a_counter_whose_parts_do_not_add_up_is_checked_on_the_whole():
    def odd(text):
        return count(text) + (len(text) // 60) * 3

    doc = document(ENGLISH * 20)
    for piece in chunk(doc, odd, 40, 8):
        assert odd(doc.text[piece.start : piece.end]) <= 40


# On any document

WORDS = st.sampled_from(
    [
        "tide",
        "Boats lie.",
        "a",
        "3.14",
        "潮水来了。",
        "港口",
        "，",
        "“好！”",
        "\n",
        "\n\n",
        " ",
        "w" * 50,
        "字" * 60,
        "- x",
    ]
)


@st.composite
def documents(draw):
    blocks = []
    for _ in range(draw(st.integers(0, 6))):
        if draw(st.booleans()):
            blocks.append((draw(st.integers(1, 4)), draw(st.sampled_from(["A", "潮汐表", "Boats and nets"]))))
        blocks.append(" ".join(draw(st.lists(WORDS, max_size=40))))
    title = draw(st.sampled_from(["", "A", "Low tide 退潮"]))
    doc = composed(*blocks, title=title)
    starts = (
        sorted({0, *draw(st.lists(st.integers(0, len(doc.text)), max_size=3))}) if draw(st.booleans()) else ()
    )
    return document(doc.text, title, doc.headings, starts)


@settings(max_examples=300, deadline=None)
@given(documents(), st.integers(BUDGET_TOKENS_MIN, 60), st.integers(0, 7))
def test_passages_of_any_document(doc, budget, overlap):
    found = chunk(doc, count, budget, overlap)
    assert found == chunk(doc, count, budget, overlap)
    text, covered = doc.text, set()
    for piece in found:
        words = text[piece.start : piece.end]
        assert words
        assert words == words.strip()
        around = count(passage_input(doc.title, piece.heading, ""))
        assert count(passage_input(doc.title, piece.heading, words)) <= max(budget, around + budget // 3)
        covered.update(range(piece.start, piece.end))
    in_heading_lines = {
        at for heading in doc.headings for at in range(heading.start, heading.start + len(heading.text))
    }
    left_out = [at for at in range(len(text)) if at not in covered and not text[at].isspace()]
    assert set(left_out) <= in_heading_lines
    assert not text.strip() or found
    for before, after in pairwise(found):
        assert before.start < after.start
        assert before.end < after.end
        assert count(text[after.start : before.end]) <= overlap


@settings(max_examples=100, deadline=None)
@given(documents())
def test_no_word_of_a_heading_is_lost(doc):
    found = chunk(doc, count, 60, 0)
    if not found:
        return
    paths = " / ".join([doc.title.casefold(), *(piece.heading.casefold() for piece in found)])
    inside = [range(piece.start, piece.end) for piece in found]
    for heading in doc.headings:
        shown_as_text = any(heading.start in span for span in inside)
        assert shown_as_text or heading.text.casefold() in paths


# On monstrous ones


@pytest.mark.parametrize(
    "unit",
    ["字", "a", "word ", "a,", ".", "!\n", "\n", "今天天气很好，我们去公园。", "A b. C d? ", "- x\n", "“"],
)
def test_work_grows_with_the_text_and_not_with_its_square(unit):
    def work(characters):
        doc = document("x " + unit * (characters // len(unit)))
        done = Work()
        with done.watched():
            chunk(doc, done.count, 200, 32)
        return done

    less, more = work(5_000), work(20_000)
    assert more.lines < 5 * less.lines
    assert more.counted < 5 * less.counted


class Work:
    """What cutting costs, told without a clock: lines of Python, and characters handed to the tokenizer."""

    def __init__(self):
        self.lines = self.counted = 0

    def count(self, text):
        self.counted += len(text)
        return count(text)

    @contextmanager
    def watched(self):
        before = sys.gettrace()
        sys.settrace(self._line)
        try:
            yield
        finally:
            sys.settrace(before)

    def _line(self, _frame, event, _argument):
        self.lines += event == "line"
        return self._line


def test_a_million_letters_without_a_space():
    doc = document("".join(random.Random(7).choices("abcdefghijklmnopqrstuvwxyz", k=1_000_000)))
    done = Work()
    found = chunk(doc, done.count, 200, 32)
    assert sum(piece.end - piece.start for piece in found) >= 1_000_000
    assert max(piece.end - piece.start for piece in found) <= 200 * 16
    assert done.counted < 5_000_000


def test_no_stretch_is_counted_that_is_longer_than_a_few_passages():
    longest = 0

    def watching(text):
        nonlocal longest
        longest = max(longest, len(text))
        return count(text)

    chunk(document(CHINESE * 2000 + "字" * 100_000 + "a" * 100_000 + "word " * 20_000), watching, 200, 32)
    assert longest <= 200 * 16


def test_many_headings_take_no_longer():
    def work(headings):
        blocks = [
            block
            for n in range(headings)
            for block in ((1 + n % 3, f"H{n}"), "Short." if n % 2 else sentence(n))
        ]
        done = Work()
        with done.watched():
            assert len(chunk(composed(*blocks), done.count, 200, 32)) > headings / 8
        return done

    less, more = work(250), work(1000)
    assert more.lines < 5 * less.lines
    assert more.counted < 5 * less.counted


# With a real tokenizer


@pytest.mark.parametrize("name", ["multilingual-e5-small", "minilm-en"])
def test_real_tokenizers_keep_the_budget(name, models_folder):
    tokenizer = open_encoder(name, models_folder, lambda *_: None).tokenizer
    odd = "\ufdfa" * 300 + "😀👍🏽" * 200 + "ﬁ" * 500 + "a\u0301" * 300 + "！" * 300
    doc = composed(
        (1, "Tides 潮汐"), CHINESE * 20, (2, "Boats"), ENGLISH * 20, (2, "Odd"), odd, title="Low tide 退潮"
    )
    pieces = chunk(doc, tokenizer.count, 200, 32)
    sizes = [
        tokenizer.count(passage_input(doc.title, piece.heading, doc.text[piece.start : piece.end]))
        for piece in pieces
    ]
    assert max(sizes) <= 200
    whole = [size for piece, size in zip(pieces, sizes, strict=True) if piece.heading != "Tides 潮汐 / Odd"]
    assert sorted(whole)[len(whole) // 2] >= 120
