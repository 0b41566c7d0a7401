"""The fusion against brute force: same passages, same order, same scores, and parts that add up."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from search import fusion
from search.fusion import Listing, rank

SEED = 20240501


@dataclass
class Table:
    """A part that knows its score of every passage, as an index would answer; counts what it was asked."""

    ids: np.ndarray
    values: np.ndarray
    by_words: bool = False
    """Whether it lists only passages above 0, as a lexical index does."""
    alone: bool = False
    exact: bool = True
    depths: list[int] = field(default_factory=list)

    def top(self, k):
        self.depths.append(k)
        listed = np.flatnonzero(self.values > 0) if self.by_words else np.arange(self.ids.size)
        order = listed[np.lexsort((self.ids[listed], -self.values[listed]))][:k]
        ended = order.size < k
        lowest = 0.0 if self.by_words else -np.inf
        ceiling = lowest if ended else float(self.values[order[-1]])
        complete = ended and (self.alone or not self.by_words)
        return Listing(self.ids[order], self.values[order], self.exact, ceiling, complete)

    def scores(self, ids):
        return self.values[np.searchsorted(self.ids, ids)]


def brute_force(parts, limit, groups):
    """Return rows ``(passage, group, score)``: all passages scored, sorted, the best one of each group."""
    ids = next(iter(parts.values())).ids
    total = sum(part.values.astype(np.float64) for part in parts.values())
    answers = [
        place
        for place in range(ids.size)
        if not all(part.alone for part in parts.values()) or any(p.values[place] > 0 for p in parts.values())
    ]
    answers.sort(key=lambda place: (-total[place], ids[place]))
    seen = {}
    for place in answers:
        seen.setdefault(groups[int(ids[place])], (int(ids[place]), float(total[place])))
    return [(passage, group, score) for group, (passage, score) in seen.items()][:limit]


def assert_ranked(parts, limit, groups):
    asked = []

    def groups_of(ids):
        asked.extend(ids)
        return {passage: groups[passage] for passage in ids}

    ranking = rank(parts, limit, groups_of)
    assert [(row.passage, row.group, row.score) for row in ranking.rows] == brute_force(parts, limit, groups)
    for row in ranking.rows:
        assert sum(row.parts.values()) == row.score
        expected = {name: float(part.scores(np.array([row.passage]))[0]) for name, part in parts.items()}
        assert row.parts == expected
    assert ranking.exact is all(part.exact for part in parts.values())
    assert set(asked) <= set(groups)
    return ranking


@pytest.fixture
def shallow(monkeypatch):
    """Begin with few passages, so that small examples have to be lengthened."""
    monkeypatch.setattr(fusion, "FIRST_DEPTH", 2)
    monkeypatch.setattr(fusion, "DEEPER", 2)


coarse = st.integers(-4, 4).map(lambda n: n / 4)  # ties everywhere
fine = st.floats(-1, 1, width=32)


@st.composite
def collections(draw):
    """Draw parts over one set of passages, a limit, and groups of passages."""
    count = draw(st.integers(1, 40))
    ids = np.cumsum(draw(st.lists(st.integers(1, 3), min_size=count, max_size=count)))
    numbers = draw(st.sampled_from([coarse, fine]))

    def values(lowest):
        drawn = draw(st.lists(numbers, min_size=count, max_size=count))
        return np.maximum(np.array(drawn, dtype=np.float32), np.float32(lowest))

    words = draw(st.booleans())
    parts = {"lexical": Table(ids, values(0), by_words=True, alone=words, exact=draw(st.booleans()))}
    if not words:
        parts["dense"] = Table(ids, values(-1), exact=draw(st.booleans()))
        if draw(st.booleans()):
            parts["third"] = Table(ids, values(-1))
        if draw(st.booleans()):
            del parts["lexical"]
    few = draw(st.integers(1, count))
    members = draw(st.lists(st.integers(1, few), min_size=count, max_size=count))
    return parts, draw(st.integers(1, count + 3)), dict(zip(ids.tolist(), members, strict=True))


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(drawn=collections())
def test_rank_is_brute_force(shallow, drawn):
    assert_ranked(*drawn)


def one_each(ids):
    return {passage: passage for passage in ids.tolist()}


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_a_large_collection_is_not_sorted_whole(limit):
    generator = np.random.default_rng(SEED)
    ids = np.arange(1, 20_001)
    dense = Table(ids, generator.normal(0.1, 0.1, ids.size).astype(np.float32))
    values = np.zeros(ids.size, dtype=np.float32)
    hits = generator.choice(ids.size, 300, replace=False)
    values[hits] = generator.random(300, dtype=np.float32) * np.float32(0.2)
    lexical = Table(ids, values, by_words=True)
    assert_ranked({"dense": dense, "lexical": lexical}, limit, one_each(ids))
    assert max(dense.depths) <= 4096
    by_document = dict(zip(ids.tolist(), generator.integers(1, 2000, ids.size).tolist(), strict=True))
    assert_ranked({"dense": dense, "lexical": lexical}, limit, by_document)


def test_a_page_of_equal_scores_goes_by_id_even_beyond_the_first_depth():
    ids = np.arange(1, 1001)
    values = np.zeros(1000, dtype=np.float32)
    values[900:] = 0.5
    dense = Table(ids, np.full(1000, 0.25, dtype=np.float32))
    ranking = assert_ranked({"dense": dense, "lexical": Table(ids, values, by_words=True)}, 5, one_each(ids))
    assert [row.passage for row in ranking.rows] == [901, 902, 903, 904, 905]
    ranking = assert_ranked({"dense": dense}, 5, one_each(ids))
    assert [row.passage for row in ranking.rows] == [1, 2, 3, 4, 5]


def test_a_passage_that_neither_list_shows_yet_may_tie_and_come_first(shallow):
    ids = np.array([5, 10, 20, 25, 30])
    dense = Table(ids, np.array([0, 0.5, 0, 0.5, 0.75], dtype=np.float32))
    lexical = Table(ids, np.array([0.25, 0, 0.25, 0.25, 0], dtype=np.float32), by_words=True)
    # The lists begin 30, 10 and 5, 20; what follows scores .5 + .25 at most, and 25 does.
    assert assert_ranked({"dense": dense, "lexical": lexical}, 1, one_each(ids)).rows[0].passage == 25


def test_what_both_parts_rate_middling_can_be_best():
    """It stands at the end of either list, where only the threshold keeps looking."""
    count = 400
    ids = np.arange(count)
    falling = np.linspace(1, 0, count, dtype=np.float32)
    dense, lexical = falling.copy(), falling[::-1].copy()
    dense[200] = lexical[200] = np.float32(0.74)  # below ninety others in each, and the best sum of all
    parts = {"dense": Table(ids, dense), "lexical": Table(ids, lexical, by_words=True)}
    assert assert_ranked(parts, 1, one_each(ids)).rows[0].passage == 200
    assert parts["dense"].depths[-1] > fusion.FIRST_DEPTH


def test_words_alone_show_only_passages_that_hold_one():
    ids = np.arange(10)
    values = np.array([0, 0, 3, 0, 1, 0, 0, 2, 0, 0], dtype=np.float32)
    part = Table(ids, values, by_words=True, alone=True)
    ranking = assert_ranked({"lexical": part}, 8, one_each(ids))
    assert [row.passage for row in ranking.rows] == [2, 7, 4]
    assert part.depths == [fusion.FIRST_DEPTH]


def test_nothing_is_a_page_too():
    for empty in (Table(np.empty(0, int), np.empty(0, np.float32)),):
        assert assert_ranked({"dense": empty}, 10, {}).rows == []
    none_hit = Table(np.arange(3), np.zeros(3, np.float32), by_words=True, alone=True)
    assert assert_ranked({"lexical": none_hit}, 10, one_each(np.arange(3))).rows == []


def test_a_group_is_shown_by_its_best_passage_and_few_groups_are_all_shown():
    ids = np.arange(500)
    generator = np.random.default_rng(SEED)
    dense = Table(ids, generator.random(500, dtype=np.float32))
    groups = {passage: passage % 3 for passage in ids.tolist()}
    assert len(assert_ranked({"dense": dense}, 10, groups).rows) == 3
    assert dense.depths[-1] > 500  # only all passages prove that there is no fourth
