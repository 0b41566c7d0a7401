"""Web pages: main text with headings, no navigation, declared encodings, nothing fetched."""

import io
import socket
from datetime import UTC, datetime

import pytest

from indexer.readers.base import Heading, Limits
from indexer.readers.html import HtmlReader
from search.errors import BrokenFile, NoText, UnknownFileType

SENTENCE = "This paragraph is long enough to count as text, for it tells of boats, of quays and of the tide. "


def read(page, name="page.html"):
    data = page if isinstance(page, bytes) else page.encode()
    return next(HtmlReader(Limits()).read(io.BytesIO(data), name))


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>短。</p>", "短。"),
        ("no tags at all &amp; still text", "no tags at all & still text"),
        ("<h1>T</h1><p>one</p><h2>U</h2><p>two</p>", "T\n\none\n\nU\n\ntwo"),
        ("<div>one<div>two</div>three</div>", "one\n\ntwo\n\nthree"),
        ("<p>a<!-- x -->b<br>c  \n d</p>", "ab\nc d"),
        ("<p>a<script>x</script>b<style>y</style><noscript>z</noscript></p>", "ab"),
        ("<p>a</p><p hidden>b</p><p style='display: none'>c</p>d", "a\n\nd"),
        ("<ul><li>a<li>b<ol start=1><li>c</ol></ul><p>d", "- a\n- b\n1. c\n\nd"),
        ("<table><tr><th>a<th>b<tr><td><td>c</table>d", "a | b\nc\n\nd"),
        ("<table><tr><td><h2>H</h2><p>x</p><td>y</table>", "H\n\nx\n\ny"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<p>x&#0;y&#xD800;z</p>", "x\ufffdy\ufffdz"),
        ("<dl><dt>tide<dd>water moves</dl>", "tide\n\nwater moves"),
        ("<p>使用 <code>git</code> 提交<a href=x>代码</a>。</p>", "使用 git 提交代码。"),
    ],
)
def test_every_visible_word_comes_out_in_order(page, text):
    assert read(page).text == text


def test_what_a_page_calls_its_main_part_is_its_text():
    main = "<main><h1>T</h1><nav>On this page</nav><p>Words.</p></main>"
    document = read(f"<nav>Home</nav><p>Banner</p>{main}<footer>©</footer>")
    assert document.text == "T\n\nWords."
    assert document.headings == (Heading(0, 1, "T"),)
    assert read("<p>a</p><article><p>b</p></article>").text == "b"
    assert read("<article>one</article><article>two</article>").text == "one\n\ntwo"


def test_boilerplate_goes_where_the_page_marks_nothing():
    sections = "".join(f"<h2>Part {n}</h2><div>{n} {SENTENCE * 3}</div>" for n in range(4))
    page = (
        '<div class="menu"><ul><li><a href="/">Home</a><li><a href="/about">About us</a></ul></div>'
        f'<div id="content"><h1>Tides</h1>{sections}</div>'
        '<div class="footer"><a href="/imprint">Imprint</a></div>'
    )
    document = read(f"<html><body>{page}</body></html>")
    assert [heading.text for heading in document.headings] == ["Tides", *(f"Part {n}" for n in range(4))]
    assert document.text.count("This paragraph") == 12
    assert "About us" not in document.text
    assert "Imprint" not in document.text


def test_a_page_of_nothing_but_navigation_keeps_it():
    assert read("<nav><a href=x>首页</a></nav>").text == "首页"


def test_metadata():
    document = read(
        '<html lang="zh-CN"><title>退潮 | 海边的书</title><meta name=Author content=" 林 ">'
        '<meta property="article:published_time" content="2024-05-01T16:30:00+08:00">'
        '<meta itemprop="dateModified" content="2024-05-02"><meta name=keywords content="a, b">'
        "<h1>退潮</h1><p>渔船。"
    )
    assert document.title == "退潮"
    assert document.language == "zh-CN"
    assert document.created_at == datetime(2024, 5, 1, 8, 30, tzinfo=UTC)
    assert document.modified_at == datetime(2024, 5, 2, tzinfo=UTC)
    assert document.fields == {"author": "林", "keywords": "a, b"}


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Site</title><h1>Other</h1>x", "Site"),
        ("<title>Low Tide - Site</title><h2>low tide</h2>x", "low tide"),
        ("<meta property='og:title' content='Shared'><title>T - Site</title><h1>T</h1>x", "Shared"),
        ("<h1>Only</h1>x", "Only"),
        ("x", "page"),
    ],
)
def test_title(page, title):
    assert read(page).title == title


@pytest.mark.parametrize(
    ("encoding", "declaration"),
    [
        ("gb18030", '<meta charset="gb2312">'),
        ("big5", '<meta http-equiv="Content-Type" content="text/html; charset=Big5">'),
        ("utf-8", "<meta charset=utf-8>"),
        ("utf-8-sig", ""),
        ("utf-16", '<meta charset="utf-8">'),
        ("gb18030", ""),
        ("gb18030", "<meta charset=utf-8>"),
        ("gb18030", "<meta charset=no-such-thing>"),
        ("utf-8", "<meta charset=base64>"),
        ("utf-8", "<meta charset=undefined>"),
        ("utf-8", "<meta charset=unicode_escape>"),
        ("utf-8", "<meta charset=utf-7>"),
        ("utf-8", "<meta charset=utf-16>"),
    ],
)
def test_encoding_as_declared_or_found(encoding, declaration):
    assert read(f"<html>{declaration}<p>退潮，等水回。</p>".encode(encoding)).text == "退潮，等水回。"


def test_latin_pages_may_declare_what_browsers_read():
    assert read("<meta charset=iso-8859-1><p>“naïve”".encode("cp1252")).text == "“naïve”"
    assert read("<meta charset=shift_jis><p>潮が引く".encode("shift_jis")).text == "潮が引く"


@pytest.mark.parametrize(
    "page", ["<img src=x>", "<script>render()</script><div id=app></div>", "  ", "<!-- -->"]
)
def test_a_page_without_text(page):
    with pytest.raises(NoText):
        read(page)


def test_binary_data_is_no_page():
    with pytest.raises(UnknownFileType):
        read(b"<html>\0\1\2\3")


def test_text_at_any_depth_is_found_or_the_page_refused():
    assert read("<div>" * 1000 + "deep" + "</div>" * 1000 + "after").text == "deep\n\nafter"
    with pytest.raises(BrokenFile, match="nested too deeply"):
        read("<p>before</p>" + "<div>" * 100_000 + "deep")


def test_nothing_is_fetched(monkeypatch):
    def no_network(*_):
        raise AssertionError("something reached for the network")

    monkeypatch.setattr(socket, "socket", no_network)
    monkeypatch.setattr(socket, "create_connection", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    page = (
        '<!DOCTYPE html SYSTEM "http://dtd.example/x.dtd"><html><head><base href="http://base.example/">'
        '<link rel=stylesheet href="http://css.example/x.css"><script src="http://js.example/x.js"></script>'
        f'</head><body><img src="http://img.example/x.png"><p>{SENTENCE}<a href="http://a.example">link</a></p>'
        '<iframe src="http://frame.example"></iframe></body></html>'
    )
    assert read(page).text == f"{SENTENCE}link"
