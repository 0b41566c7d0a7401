"""Maximal marginal relevance against the formula written out, and through the engine."""

from dataclasses import replace

import numpy as np
import pytest

from search.arrays import unit_rows
from search.diversity import POOL, diverse, pool_size
from search.model import MODES
from tests.search.test_attending import Library


def written_out(scores, vectors, limit, diversity):
    """Return the places by the formula, one comparison at a time."""
    low, high = min(scores), max(scores)
    relevance = [(score - low) / (high - low) if high > low else 0.0 for score in scores]
    chosen = []
    while len(chosen) < min(limit, len(scores)):
        best = None
        for place in range(len(scores)):
            if place in chosen:
                continue
            near = max((float(np.dot(vectors[place], vectors[other])) for other in chosen), default=None)
            value = (
                relevance[place] if near is None else (1 - diversity) * relevance[place] - diversity * near
            )
            if best is None or value > best[0]:
                best = (value, place)
        chosen.append(best[1])
    return chosen


@pytest.mark.parametrize("diversity", [0.0, 0.1, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_order_is_that_of_the_formula(seed, diversity):
    generator = np.random.default_rng(seed)
    scores = np.sort(generator.normal(size=40))[::-1].tolist()
    vectors = unit_rows(generator.normal(size=(40, 8)).astype(np.float32))
    assert diverse(scores, vectors, 12, diversity) == written_out(scores, vectors, 12, diversity)


def test_a_case_by_hand():
    """The second row says what the first says: at .5 it is worth .5 x .9 - .5 x 1, the third .5 x .8 - 0."""
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    scores = [1.0, 0.9, 0.8, 0.0]
    assert diverse(scores, vectors, 4, 0.0) == [0, 1, 2, 3]
    assert diverse(scores, vectors, 4, 0.5) == [0, 2, 1, 3]
    assert diverse(scores, vectors, 2, 1.0) == [0, 2]


def test_few_equal_and_no_rows():
    vectors = unit_rows(np.ones((3, 2), np.float32))
    assert diverse([2.0, 2.0, 2.0], vectors, 10, 0.4) == [0, 1, 2]
    assert diverse([], np.empty((0, 2), np.float32), 10, 0.4) == []


def test_the_pool_grows_with_the_page_up_to_a_bound():
    assert [pool_size(limit, 0.3) for limit in (1, 10, 200, 1000)] == [POOL, 50, 1000, 1000]
    assert pool_size(10, 0) == 10


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("group_by", ["passage", "document"])
def test_the_engine_picks_from_the_best_rows_and_changes_no_score(mode, group_by):
    library = Library(300, 41, chinese=0.3)
    engine = library.engine()
    question = library.question(mode=mode, group_by=group_by, limit=8)
    plain = engine.answer(question, None)
    assert engine.answer(replace(question, diversity=0.0), None).hits == plain.hits
    pool = engine.answer(replace(question, limit=8 * POOL), None).hits
    found = engine.answer(replace(question, diversity=0.4), None)
    rows = {passage: row for passage, row in zip(library.ids.tolist(), library.rows, strict=True)}
    vectors = np.array([rows[hit.passage.id] for hit in pool])
    expected = diverse([hit.score for hit in pool], vectors, 8, 0.4)
    assert [hit.passage.id for hit in found.hits] == [pool[place].passage.id for place in expected]
    assert [hit.score for hit in found.hits] == [pool[place].score for place in expected]
    assert found.hits[0].passage.id == plain.hits[0].passage.id and found.exact == plain.exact
    for hit in found.hits:
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
