"""Markdown as a reader sees it: words without marks, headings, and front matter that loses nothing."""

import io
from datetime import UTC, datetime

import pytest

from indexer.readers.base import Heading, Limits
from indexer.readers.markdown import BRACKETS_MAX, MarkdownReader
from search.errors import NoText


def read(source):
    return next(MarkdownReader(Limits()).read(io.BytesIO(source.encode()), "notes/page.md"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("some **bold** and *soft* `code` ~~gone~~", "some bold and soft code gone"),
        ("see [the quay](http://q.example) and ![two boats](b.png)", "see the quay and two boats"),
        ("a <b>tag</b> and&nbsp;an entity &lt;x&gt; \\* <!-- unseen -->", "a tag and\xa0an entity <x> *"),
        ("第一行\n*第二行*  \n第三行\nline\nfour，\n五", "第一行第二行\n第三行 line four，五"),
        ("one\\\ntwo\n&#0;three", "one\ntwo \ufffdthree"),
        ("- a\n- b\n\n  more of b\n- c", "- a\n- b\nmore of b\n- c"),
        ("3. c\n4. d", "3. c\n4. d"),
        ("- a\n\nafter", "- a\n\nafter"),
        ("> said\n> she", "said she"),
        ("    indented code", "indented code"),
        ("|a|b|\n|-|-|\n|1|**2**|\n\nnext", "a | b\n1 | 2\n\nnext"),
        ("before\n\n<div>one<p>two</p></div>\n\nafter", "before\n\none\n\ntwo\n\nafter"),
        ("<script>alert(1)</script>\n\nwords", "words"),
        ("[x]: http://only.a.definition\n\nwords [x]", "words x"),
    ],
)
def test_words_stay_and_marks_go(source, text):
    assert read(source).text == text


def test_headings_of_both_styles_have_their_place():
    document = read("intro\n\n# One *x* #\n\nbody\n\nTwo\n---\n\n> # quoted\n")
    assert document.text == "intro\n\nOne x\n\nbody\n\nTwo\n\nquoted"
    assert document.headings == (Heading(7, 1, "One x"), Heading(20, 2, "Two"))
    assert document.title == "One x"


def test_a_number_sign_in_code_is_no_heading():
    document = read("```\n# comment\n```")
    assert (document.text, document.headings, document.title) == ("# comment", (), "page")


@pytest.mark.parametrize("value", [r'"\UFFFFFFFF"', r'"\U00110000"', r'"\xZZ"'])
def test_front_matter_that_names_no_character_is_text(value):
    document = read(f"---\ntitle: {value}\n---\nwords")
    assert "words" in document.text and value in document.text


def test_front_matter_becomes_typed_fields():
    document = read(
        "---\ntitle: Tides\ndate: 2024-05-01T10:00:00+08:00\nlang: zh\nedition: 007\ncode: '12'\n"
        "depth: 4.10\ndraft: no\nopen: true\ntags: [a, 3]\nnote: >-\n  two\n  lines\nnone: ~\n"
        "a:\n  b: 1\n---\nwords"
    )
    assert document.title == "Tides"
    assert document.text == "words"
    assert document.language == "zh"
    assert document.created_at == datetime(2024, 5, 1, 2, tzinfo=UTC)
    assert document.fields == {
        "date": datetime(2024, 5, 1, 2, tzinfo=UTC),
        "lang": "zh",
        "edition": "007",
        "code": "12",
        "depth": 4.1,
        "draft": "no",
        "open": True,
        "tags": ["a", "3"],
        "note": "two lines",
        "a.b": 1,
    }


@pytest.mark.parametrize(
    "block",
    [
        "- a\n- b",
        "just words",
        "a: [1\n",
        "a: 1\na: 2",
        "a: &x 1\nb: *x",
        "? [1, 2]\n: b",
        'a: "\\0"',
        "a:\n  b: 1\na.b: 2",
        "",
    ],
    ids=["list", "words", "broken", "twice", "alias", "odd key", "NUL", "one name from two places", "empty"],
)
def test_a_block_that_is_no_plain_mapping_stays_text(block):
    document = read(f"---\n{block}\n---\n\nwords")
    assert document.fields == {}
    assert document.text.endswith("words")
    for word in block.replace('"', " ").replace("\\0", " ").split():
        letters = word.strip("-*&:[]?,")
        assert letters in document.text


def test_unfolding_aliases_never_grow():
    bomb = "---\na: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join('*' + a for _ in range(9))}]\n"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert read(f"{bomb}---\nwords").fields == {}


@pytest.mark.parametrize("source", ["", "---\ntitle: x\n---\n", "<!-- a -->", "***", "[x]: http://y"])
def test_marks_without_words_are_no_text(source):
    with pytest.raises(NoText):
        read(source or " ")


@pytest.mark.parametrize(
    "source",
    [">" * 300 + " deep", "![" * (BRACKETS_MAX + 1) + "words"],
    ids=["quotes in quotes", "brackets"],
)
def test_what_the_parser_would_drop_or_choke_on_is_kept_as_it_stands(source):
    assert read(source).text == source
