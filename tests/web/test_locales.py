"""Both languages say the same things, and no word stands outside their files."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask

from search import errors
from search.model import MODES
from web.pages import language

WEB = Path(__file__).parents[2] / "web"
EN, ZH = (json.loads((WEB / f"locales/{name}.json").read_text("utf-8")) for name in ("en", "zh"))
TEMPLATES = sorted((WEB / "templates").glob("*.html"))

LETTER = re.compile(r"[^\W\d_]")
JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.S)
SPOKEN_ATTRIBUTE = re.compile(r'\b(?:title|alt|placeholder|aria-label|value|content)="([^"]*)"')
TAG = re.compile(r"<[^>]*>", re.S)
MACHINE_VALUES = {"light dark", "width=device-width, initial-scale=1", "2"}

CALL = re.compile(r"""\b(t|count|label)\(\s*(['"])([\w.]+)\2(?!\s*~)""")
PREFIX = re.compile(r"""\bt\(\s*(['"])([\w.]+\.)\1\s*~""")
CHOICE = re.compile(r"""\bt\(\s*(['"])([\w.]+)\1 if .*? else (['"])([\w.]+)\3""")


def bare_text(source):
    without_jinja = JINJA.sub("", source)
    spoken = [value for value in SPOKEN_ATTRIBUTE.findall(without_jinja) if value not in MACHINE_VALUES]
    return [text for text in (*spoken, *TAG.split(without_jinja)) if LETTER.search(text)]


def used_keys():
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        for function, _, key in CALL.findall(source):
            if function == "t":
                yield key
            if function == "count":
                yield from (f"{key}.one", f"{key}.other")
        for _, first, _, second in CHOICE.findall(source):
            yield from (first, second)


def used_prefixes():
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        yield from (prefix for _, prefix in PREFIX.findall(source))
        yield from (f"{key}." for function, _, key in CALL.findall(source) if function == "label")


def test_both_languages_have_the_same_keys_in_the_same_order():
    assert list(EN) == list(ZH)


@pytest.mark.parametrize("key", EN)
def test_both_languages_name_the_same_values(key):
    names = re.compile(r"\{(\w+)\}")
    assert sorted(names.findall(EN[key])) == sorted(names.findall(ZH[key]))
    assert EN[key].strip() and ZH[key].strip()


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(path):
    assert bare_text(path.read_text("utf-8")) == []


def test_words_in_a_template_are_found():
    assert bare_text("<p>{{ t('x') }} Hello</p>") == [" Hello"]
    assert bare_text('<input placeholder="搜索">') == ["搜索"]


def test_every_word_is_used_and_every_used_word_exists():
    used, prefixes = set(used_keys()), set(used_prefixes())
    assert used <= set(EN)
    assert [key for key in EN if key not in used and not key.startswith(tuple(prefixes))] == []


def test_every_failure_mode_and_part_has_words():
    codes = {kind.code for kind in errors.SearchError.__subclasses__()} | {
        "bad_request",
        "forbidden",
        "not_found",
        "method_not_allowed",
        "unsupported_media_type",
        "internal_error",
        "worker_died",
    }
    assert {key.removeprefix("errors.") for key in EN if key.startswith("errors.")} == codes
    for group in ("mode.", "mode_hint.", "hits.none_advice."):
        assert {key.removeprefix(group) for key in EN if key.startswith(group)} == set(MODES)


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("/", {}, "en"),
        ("/", {"Accept-Language": "fr,zh-CN;q=0.9,en;q=0.5"}, "zh"),
        ("/", {"Accept-Language": "en-GB,zh;q=0.9"}, "en"),
        ("/", {"Accept-Language": "zh", "Cookie": "xunyi_lang=en"}, "en"),
        ("/?lang=zh", {"Cookie": "xunyi_lang=en"}, "zh"),
        ("/?lang=fr", {"Cookie": "xunyi_lang=zh"}, "zh"),
        ("/?lang=fr", {}, "en"),
    ],
)
def test_the_language_is_the_chosen_one_else_the_browsers(address, headers, expected):
    with Flask(__name__).test_request_context(address, headers=headers):
        assert language.language() == expected


def test_values_are_escaped_and_counts_have_their_own_words():
    with Flask(__name__).test_request_context("/"):
        assert language.t("task.into", collection="<b>") == "Reading files into &lt;b&gt;"
        assert language.count("hits.found", 1) == "1 document"
        assert language.count("hits.found", 12345) == "12,345 documents"
        assert language.label("errors", "<unheard of>") == "&lt;unheard of&gt;"
        with pytest.raises(KeyError):
            language.t("no.such.key")
