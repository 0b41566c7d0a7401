"""The language rule and the highlights."""

import pytest

from search.lexical.bm25 import weighted
from search.model import Highlight
from search.text.analyzer import Analyzer
from search.text.highlight import highlights
from search.text.language import han_share, language


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("2024 !", 0.0),
        ("attention is all you need", 0.0),
        ("注意力", 1.0),
        ("vue 组件", 2 / 3),
        ("如何使用 useTemplateRef 2024", 4 / 5),
        ("the Chinese word 道", 1 / 4),
    ],
)
def test_share(text, share):
    assert han_share(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "en"),
        ("how do I sort a list", "en"),
        ("怎么排序", "zh"),
        ("Python 怎么排序 list", "zh"),
        ("He was born in Beijing (北京) and studied there before the war began.", "en"),
        ("`v-model` 与 `props` 在 Vue 中", "zh"),
    ],
)
def test_language(text, expected):
    assert language(text) == expected


ANALYZER = Analyzer()


def marked(text, query):
    return [
        text[span.start : span.end] for span in highlights(text, weighted(ANALYZER.terms(query)), ANALYZER, 0)
    ]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Searching is to search again.", "searches", ["Searching", "search"]),
        ("a fast search engine", "search engine", ["search", "engine"]),
        ("我爱北京大学的图书馆", "北京大学图书馆", ["北京大学", "图书馆"]),
        ("他在清华大学学习", "大学学习", ["大学学习"]),
        ("with Node.js today", "nodejs", ["Node.js"]),
        ("with Node.js today", "js node", ["Node", "js"]),
        ("with Node.js today", "node.js", ["Node.js"]),
        ("コンピュータ", "コンピ", ["コンピ"]),
        ("nothing here", "elsewhere", []),
        ("nothing here", "the", []),
    ],
)
def test_highlights(text, query, expected):
    assert marked(text, query) == expected


def test_highlights_are_the_documents():
    assert highlights("the ﬁne print", weighted(["print", "fine"]), ANALYZER, 100) == [
        Highlight(104, 107),
        Highlight(108, 113),
    ]


def test_a_highlight_weighs_as_much_as_its_weightiest_term():
    found = highlights("a stone wall, the wall-paper and the gate", {"wall": 0.5, "gate": 0.25}, ANALYZER, 0)
    assert found == [Highlight(8, 12, 1.0), Highlight(18, 22, 1.0), Highlight(37, 41, 0.5)]
    merged = highlights("大学图书馆", {"大学": 0.5, "图书": 2.0, "馆": 1.0}, ANALYZER, 3)
    assert merged == [Highlight(3, 8, 1.0)]
