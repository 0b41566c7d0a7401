"""The shipped questions and passages: enough of them, in their language, each once."""

import re

import pytest

from search.encoders.built_in_texts import LANGUAGES, passages, questions

HAN = re.compile(r"[\u4e00-\u9fff]")


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_enough_and_each_is_given_once(language):
    assert len(passages(language)) == 30
    assert len(questions(language)) >= 200
    for texts in (passages(language), questions(language)):
        assert len(set(texts)) == len(texts)
        assert not [text for text in texts if text.startswith("#") or text != text.strip()]


@pytest.mark.parametrize(("language", "share"), [("en", (0, 0.01)), ("zh", (0.7, 1))])
def test_passages_are_in_their_language(language, share):
    for text in passages(language):
        assert share[0] <= len(HAN.findall(text)) / len(text) <= share[1], text


def test_passages_have_the_length_of_passages():
    assert {text for text in passages("en") if not 40 <= len(text.split()) <= 100} == set()
    # A Chinese word is about 1.6 characters.
    assert {text for text in passages("zh") if not 64 <= len(HAN.findall(text)) <= 170} == set()
