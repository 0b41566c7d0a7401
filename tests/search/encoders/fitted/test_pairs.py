import numpy as np
import pytest

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.pairs import Lesson, Pairs, lessons
from search.encoders.fitted.vocabulary import Vocabulary


def drawn(passages, row, times=300, longest=48):
    pairs, generator = Pairs(passages, longest), np.random.default_rng(1)
    return [pairs.draw(row, generator) for _ in range(times)]


def test_what_belongs_together_is_heading_neighbour_or_words_of_its_own():
    passages = [
        Lesson(0, [1], list(range(10, 40))),
        Lesson(0, [2], list(range(40, 70))),
        Lesson(1, [3], list(range(70, 90))),
    ]
    questions = [tuple(short) for short, _ in drawn(passages, 0)]
    headings = [question for question in questions if question == (1,)]
    neighbours = [question for question in questions if set(question) <= set(range(40, 70))]
    own = [question for question in questions if set(question) <= {1, *range(10, 40)}]
    assert len(headings) and len(neighbours) and len(own) > len(headings)


def test_a_passage_of_another_document_is_no_neighbour():
    passages = [Lesson(0, [1], list(range(10, 40))), Lesson(1, [2], list(range(40, 70)))]
    for row, others in enumerate([{2, *range(40, 70)}, {1, *range(10, 40)}]):
        assert not [short for short, _ in drawn(passages, row) if set(short) & others]


def test_words_asked_for_are_partly_left_out_of_the_answer():
    passages = [Lesson(0, [], list(range(30)))]
    for short, long in drawn(passages, 0):
        assert 4 <= len(short) <= 16
        assert long == sorted(set(long)) and set(range(30)) - set(short) <= set(long)
    kept = np.mean([len(set(short) & set(long)) / len(short) for short, long in drawn(passages, 0)])
    assert kept == pytest.approx(0.5, abs=0.05)


def test_no_text_of_a_pair_is_empty_or_too_long():
    passages = [Lesson(0, [1], []), Lesson(0, [], [2]), Lesson(0, [3] * 99, [4] * 99)]
    for row in range(3):
        for short, long in drawn(passages, row, longest=9):
            assert 1 <= len(short) <= 16
            assert 1 <= len(long) <= 9


def test_passages_without_known_words_are_left_out(analyzer):
    told = [LearningPassage(4, "Panda", "eats bamboo"), LearningPassage(5, "", "unknown")]
    assert lessons(told, Vocabulary(["bamboo", "panda"]), analyzer) == [Lesson(4, [1], [0])]
