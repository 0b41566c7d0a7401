"""A cache with what came and went laid over it answers as an index of the rows as they are now."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.arrays import unit_rows
from search.lexical.bm25 import score_passages, statistics_of
from search.lexical.tantivy_index import TantivyIndex
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, LexicalView, Selection, VectorView

DIMENSION = 6
WORDS = ["tea", "leaf", "water", "cup", "茶", "kettle"]


def vector_of(passage):
    """Return a row of few different ones, so that many passages are exact duplicates."""
    return unit_rows(np.random.default_rng(passage % 7).standard_normal((1, DIMENSION)).astype(np.float32))[0]


def terms_of(passage):
    chooser = random.Random(passage)
    return chooser.choices(WORDS, k=chooser.randrange(6))


def rows_of(ids):
    return np.array([vector_of(passage) for passage in ids], dtype=np.float32).reshape(len(ids), DIMENSION)


def as_ids(passages):
    return np.array(sorted(passages), dtype=np.int64)


@dataclass(frozen=True)
class History:
    """Which passages the cache covers, which of them went, and which came later and stayed or went."""

    covered: list[int]
    removed: list[int]
    tail: list[int]
    passed: list[int]

    @property
    def now(self):
        return as_ids((set(self.covered) | set(self.tail)) - set(self.removed))

    def vectors(self):
        base = ExactIndex(as_ids(self.covered), rows_of(sorted(self.covered)))
        tail = ExactIndex(as_ids(self.tail), rows_of(sorted(self.tail)))
        live = ~np.isin(base.ids, self.removed) if self.removed else None
        return VectorView(base, tail, live, 1)

    def words(self):
        base = TantivyIndex.in_memory(((passage, terms_of(passage)) for passage in self.covered), covers=1)
        tail = sorted(self.tail)
        gone = as_ids(self.removed + self.passed)
        return LexicalView(base, as_ids(tail), [terms_of(passage) for passage in tail], gone)


@st.composite
def histories(draw, most=40):
    covered = sorted(draw(st.sets(st.integers(1, 60), max_size=most)))
    removed = draw(st.lists(st.sampled_from(covered), unique=True)) if covered else []
    later = sorted(draw(st.sets(st.integers(61, 90), max_size=15)))
    passed = draw(st.lists(st.sampled_from(later), unique=True)) if later else []
    return History(covered, removed, [passage for passage in later if passage not in passed], passed)


selections = st.one_of(st.none(), st.sets(st.integers(1, 95)).map(lambda ids: Selection(as_ids(ids))))


def allowed(history, selection):
    return history.now if selection is None else np.intersect1d(history.now, selection.ids)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(history=histories(), selection=selections, k=st.integers(1, 70), asked=st.integers(0, 20))
def test_vectors_are_those_of_an_index_made_anew(history, selection, k, asked):
    view = history.vectors()
    query = unit_rows(np.random.default_rng(asked).standard_normal((1, DIMENSION)).astype(np.float32))[0]
    now = allowed(history, selection)
    anew = ExactIndex(now, rows_of(now.tolist()))
    ids, scores, exact = view.search(query, k, selection)
    np.testing.assert_array_equal(ids, anew.search(query, k)[0])
    np.testing.assert_array_equal(scores, anew.search(query, k)[1])
    assert exact and ids.size == min(k, now.size)
    np.testing.assert_array_equal(view.all_ids(), history.now)
    shuffled = np.random.default_rng(asked).permutation(history.now)
    np.testing.assert_array_equal(view.vectors(shuffled), rows_of(shuffled.tolist()))
    np.testing.assert_array_equal(view.scores(query, ids), scores)


def test_a_view_is_exact_as_far_as_its_base_is():
    class Guess(ExactIndex):
        def search(self, query, k, mask=None):
            return *super().search(query, k, mask)[:2], False

    ids = as_ids([1, 2, 3])
    view = VectorView(Guess(ids, rows_of([1, 2, 3])), ExactIndex(NO_IDS, rows_of([])), None, None)
    assert view.search(vector_of(1), 1, None)[2] is False


def test_a_vector_of_a_passage_that_is_not_there_is_an_error():
    view = History([1, 2], [], [61], []).vectors()
    with pytest.raises(KeyError):
        view.vectors(as_ids([3]))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    history=histories(),
    selection=selections,
    query=st.one_of(
        st.lists(st.sampled_from([*WORDS, "unknown"]), max_size=4),
        st.dictionaries(st.sampled_from([*WORDS, "unknown"]), st.floats(0.05, 4), max_size=4),
    ),
)
def test_words_are_those_of_an_index_made_anew(history, selection, query):
    """Ids are compared: removed passages weigh in BM25's statistics until the index is merged."""
    view = history.words()
    now = allowed(history, selection)
    expected = [passage for passage in now.tolist() if set(terms_of(passage)) & set(query)]
    ids, scores = view.search(query, 200, selection)
    assert sorted(ids.tolist()) == expected
    assert (scores > 0).all()
    assert list(zip(-scores, ids, strict=True)) == sorted(zip(-scores, ids, strict=True))
    for k in (1, 3, 10):  # a shorter page is the beginning of a longer one
        np.testing.assert_array_equal(view.search(query, k, selection)[0], ids[:k])
        np.testing.assert_array_equal(view.search(query, k, selection)[1], scores[:k])
    shuffled = np.random.default_rng(len(query)).permutation(now)
    known = dict(zip(ids.tolist(), scores.tolist(), strict=True))
    assert view.scores(query, shuffled).tolist() == [known.get(passage, 0.0) for passage in shuffled.tolist()]
    assert scores.max(initial=0) < view.upper_bound(query) or not ids.size


@settings(max_examples=30, deadline=None, derandomize=True)
@given(history=histories(), query=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_a_late_passage_is_scored_with_the_statistics_of_the_index(history, query):
    view = history.words()
    late = sorted(history.tail)
    if history.covered:
        statistics = view.base.statistics(query)
    else:
        statistics = statistics_of(query, [terms_of(passage) for passage in late])
    expected = score_passages(query, [terms_of(passage) for passage in late], statistics)
    np.testing.assert_array_equal(view.scores(query, as_ids(late)), expected)


def test_no_words_find_nothing():
    view = History([1, 2, 3], [1], [61], []).words()
    for query in ([], ["unknown"]):
        assert view.search(query, 10, None)[0].size == 0
    assert view.scores([], as_ids([2, 61])).tolist() == [0, 0]
    assert view.upper_bound([]) == 0


def test_a_selection_remembers_its_masks_by_the_index_they_are_of():
    selection = Selection(as_ids([2, 3, 9]))
    one, other = as_ids([1, 2, 3]), as_ids([3, 4])
    mask = selection.mask(one)
    assert mask.tolist() == [False, True, True]
    assert selection.mask(other).tolist() == [True, False]
    assert selection.mask(one) is mask
