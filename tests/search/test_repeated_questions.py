"""What is remembered of a question never changes its answer: neither the scan of the vectors nor the tail."""

from threading import Thread

import numpy as np
import pytest

from search.arrays import unit_rows
from search.lexical.bm25 import score_passages
from search.lexical.tantivy_index import TantivyIndex
from search.vectors.exact_index import ExactIndex
from search.vectors.faiss_index import FlatFile, write_flat
from search.views import LexicalView, Selection, contained

COUNT, DIMENSION = 2000, 16


@pytest.fixture(scope="module")
def field():
    generator = np.random.default_rng(20240501)
    ids = np.cumsum(generator.integers(1, 4, COUNT))
    rows, queries = (
        unit_rows(generator.standard_normal((count, DIMENSION)).astype(np.float32)) for count in (COUNT, 8)
    )
    masks = [None, *(generator.random(COUNT) < share for share in (0.9, 0.5, 0.3, 0.2, 0.01, 0))]
    return ids, rows, queries, masks


@pytest.fixture
def flat(field, tmp_path):
    write_flat(tmp_path / "rows.faiss", DIMENSION, COUNT, [field[1]])
    return FlatFile(tmp_path / "rows.faiss", field[0], DIMENSION)


def assert_alike(index, judge, query, masks):
    for k in (1, 10, 300):
        for mask in masks:
            for found, expected in zip(
                index.search(query, k, mask), judge.search(query, k, mask), strict=True
            ):
                np.testing.assert_array_equal(found, expected)


def test_one_query_may_be_asked_in_many_ways_and_another_in_between(field, flat):
    ids, rows, queries, masks = field
    judge = ExactIndex(ids, rows)
    for query, other in zip(queries, queries[::-1], strict=True):
        assert_alike(flat, judge, query, masks)  # the first list scans, the others know
        assert_alike(flat, judge, other, masks[::-1])  # the first lists look at few rows


def test_threads_do_not_share_what_they_remember(field, flat):
    mine, theirs = field[2][0], field[2][1]
    flat.search(mine, 1)
    another = Thread(target=flat.search, args=(theirs, 1))
    another.start()
    another.join()
    assert flat._scan._knows(mine)


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
