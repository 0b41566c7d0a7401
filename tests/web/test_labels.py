"""Names in a picture keep apart where there is room, and stay with their points."""

import itertools

import numpy as np
import pytest

from web.pages.labels import LINE, Label, apart


def test_a_name_moves_by_as_few_lines_as_it_takes():
    labels = [Label("tea", 100, 100, False), Label("leaf", 105, 104, False), Label("far", 400, 100, False)]
    moved = apart(labels, 400)
    assert [label.moved for label in moved] == [0, LINE, 0]
    assert [(label.text, label.x, label.y) for label in moved] == [
        (label.text, label.x, label.y) for label in labels
    ]


def test_names_on_either_side_of_their_points_do_not_meet():
    assert not Label("tea", 100, 100, True).covers(Label("tea", 100, 100, False))
    assert Label("茶叶", 100, 100, False).covers(Label("tea", 125, 100, False))
    assert not Label("te", 100, 100, False).covers(Label("tea", 125, 100, False))


@pytest.mark.parametrize("seed", range(5))
def test_sixteen_names_in_a_crowd_cover_none_and_stay_inside(seed):
    rng = np.random.default_rng(seed)
    words = ["sourdough", "sticks", "茶叶", "一般的", "throws", "fluoride", "Basalt", "火气"] * 2
    labels = [
        Label(word, float(x), float(y), bool(x > 320))
        for word, x, y in zip(words, rng.uniform(250, 390, 16), rng.uniform(150, 250, 16), strict=True)
    ]
    assert any(one.covers(other) for one, other in itertools.combinations(labels, 2))
    moved = apart(labels, 400)
    assert not any(one.covers(other) for one, other in itertools.combinations(moved, 2))
    assert all(0 < label.y + label.moved < 400 for label in moved)


def test_a_crowd_without_room_is_left_as_it_is():
    labels = [Label("one", 10, 20, False)] * 4
    assert [label.moved for label in apart(labels, 40)] == [0, 0, 0, 0]
