import pytest

from search.model import Hit, PassageText
from web.pages.scores import Segment, best_score, segments


def hit(**parts):
    passage = PassageText(1, 0, 0, 1, "x", "", None)
    return Hit("k", "", passage, sum(parts.values()), parts, [], {})


def test_segments_follow_one_another_in_percent_of_the_best_score():
    assert segments(hit(lexical=0.2, dense=0.6), best=1.6) == [
        Segment("lexical", 0.2, 0.0, 12.5),
        Segment("dense", 0.6, 12.5, 37.5),
    ]


@pytest.mark.parametrize("best", [0.0, -1.0])
def test_without_a_positive_score_there_is_no_bar(best):
    assert [part.width for part in segments(hit(dense=-1.0), best)] == [0.0]


def test_a_negative_part_has_a_number_and_no_segment():
    found = segments(hit(lexical=0.5, dense=-0.1), best=0.4)
    assert [(part.value, part.start, part.width) for part in found] == [(0.5, 0.0, 100), (-0.1, 100, 0.0)]


def test_the_best_score_of_nothing_is_zero():
    assert best_score([]) == 0.0
    assert best_score([hit(dense=0.3), hit(dense=0.5)]) == 0.5
