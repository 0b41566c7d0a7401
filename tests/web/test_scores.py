from search.model import Hit, PassageText
from web.pages.scores import Segment, longest_bar, segments


def hit(**parts):
    passage = PassageText(1, 0, 0, 1, "x", "", None)
    return Hit("k", "", passage, sum(parts.values()), parts, [], {})


def test_segments_follow_one_another_in_percent_of_the_longest_bar():
    assert segments(hit(lexical=0.2, dense=0.6), longest=1.6) == [
        Segment("lexical", 0.2, 0.0, 12.5),
        Segment("dense", 0.6, 12.5, 37.5),
    ]


def test_without_a_positive_part_there_is_no_bar():
    assert [part.width for part in segments(hit(dense=-1.0), longest=0.0)] == [0.0]


def test_a_negative_part_has_a_number_and_no_segment():
    found = segments(hit(lexical=0.5, dense=-0.1), longest=0.5)
    assert [(part.value, part.start, part.width) for part in found] == [(0.5, 0.0, 100), (-0.1, 100, 0.0)]


def test_the_longest_bar_of_nothing_is_zero():
    assert longest_bar([]) == 0.0
    assert longest_bar([hit(dense=0.3), hit(dense=0.5)]) == 0.5


def test_the_longest_bar_counts_what_speaks_for_a_hit_alone():
    assert longest_bar([hit(dense=0.3, lexical=0.25, language=-0.2), hit(dense=0.5)]) == 0.55
