"""Class-based TF-IDF, by hand."""

from math import log

import pytest

from search.maps.telling_words import counted, telling_words
from search.text.analyzer import Analyzer


@pytest.fixture(scope="module")
def analyzer():
    return Analyzer()


def test_words_are_ordered_by_a_calculation_by_hand(analyzer):
    tea = counted(["Water kettle tea tea", "water kettle tea", "water tea water"], analyzer)
    river = counted(["water tea", *["river water"] * 5], analyzer)
    assert tea.held == {"water": 3, "kettl": 2, "tea": 3} and tea.passages == 3
    # A = (3 + 6) / 2; everywhere 9 passages have water, 2 kettle, 4 tea.
    weights = {"kettle": 2 * log(1 + 4.5 / 2), "tea": 3 * log(1 + 4.5 / 4), "water": 3 * log(1 + 4.5 / 9)}
    assert weights["kettle"] > weights["tea"] > weights["water"]
    assert telling_words([tea, river], 3) == [["kettle", "tea", "water"], ["river", "water"]]
    assert telling_words([tea, river], 1) == [["kettle"], ["river"]]


def test_a_word_of_one_passage_tells_nothing_of_a_larger_cluster(analyzer):
    cluster = counted([*["tea leaves"] * 4, "tea zeppelin"], analyzer)
    assert telling_words([cluster], 9) == [["tea", "leaves"]]


def test_numbers_are_no_words_and_chinese_is_read(analyzer):
    cluster = counted(["1984 大熊猫吃竹子 42"], analyzer)
    assert telling_words([cluster], 9)[0] and not any(map(str.isdigit, telling_words([cluster], 9)[0]))
    assert "熊猫" in "".join(telling_words([cluster], 9)[0])
    assert telling_words([], 3) == []
    assert telling_words([counted([], analyzer)], 3) == [[]]
