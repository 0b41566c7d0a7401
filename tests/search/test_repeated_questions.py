"""What is remembered of a question never changes its answer."""

import numpy as np

from search.lexical.bm25 import score_passages
from search.lexical.tantivy_index import TantivyIndex
from search.views import LexicalView, Selection, contained


def test_a_tail_that_grows_and_shrinks_is_scored_anew():
    base = TantivyIndex.in_memory([(1, ["tea", "cup"]), (2, ["leaf"])], covers=2)
    passages = {5: ["tea", "tea", "leaf"], 6: ["cup"], 9: ["leaf", "tea"]}
    view = LexicalView(base, np.empty(0, np.int64), [], np.empty(0, np.int64))
    for tail in ([5], [5, 6], [5, 6, 9], [6, 9], []):
        view = view_with(view, tail, passages)
        for query in (["tea"], ["leaf", "cup"], ["tea"]):
            expected = score_passages(query, [passages[passage] for passage in tail], base.statistics(query))
            np.testing.assert_array_equal(view.scores(query, np.array(tail, np.int64)), expected)


def view_with(view, tail, passages):
    return type(view)(
        view.base,
        np.array(tail, np.int64),
        [passages[passage] for passage in tail],
        view.removed,
        view._counted,
    )


def test_halves_are_remembered_by_what_they_were_told_apart_by():
    selection = Selection(np.array([2, 3, 5, 8]))
    some, others = np.array([1, 3, 8]), np.array([2])
    assert [half.ids.tolist() for half in selection.halves(some)] == [[3, 8], [2, 5]]
    assert [half.ids.tolist() for half in selection.halves(others)] == [[2], [3, 5, 8]]
    assert selection.halves(some)[0] is selection.halves(some)[0]


def test_contained_is_isin():
    generator = np.random.default_rng(1)
    for _ in range(50):
        ascending = np.unique(generator.integers(0, 30, generator.integers(0, 20)))
        ids = generator.integers(0, 35, 12)
        np.testing.assert_array_equal(contained(ids, ascending), np.isin(ids, ascending))
