"""Passages of two languages side by side: what one language is ahead, and a ranking that is exact with it."""

import numpy as np
import pytest

from search.arrays import unit_rows
from search.fusion import rank
from search.languages import LanguageView
from search.lexical.tantivy_index import TantivyIndex
from search.parts import LEAD_DOUBT, DensePart, LanguagePart, LexicalPart, Pool, places_among
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, LexicalView, Selection, VectorView

D = 8


def view(ids, rows):
    tail = ExactIndex(NO_IDS, np.empty((0, rows.shape[1]), np.float32))
    return VectorView(ExactIndex(ids, rows), tail, None, None)


def on_a_circle(*cosines):
    """Unit rows with these cosines to (1, 0)."""
    return np.array([[c, np.sqrt(1 - c * c)] for c in cosines], dtype=np.float32)


def test_a_lead_by_hand():
    # Own: .9, .7; other: .5, .4, .3.  The means differ by .4; of two passages a share of 2 / 102 is believed.
    ids = np.arange(1, 6)
    part = DensePart(
        view(ids, on_a_circle(0.9, 0.7, 0.5, 0.4, 0.3)),
        np.array([1, 0], np.float32),
        [Pool(Selection(ids[:2])), Pool(Selection(ids[2:]))],
    )
    assert part.lead(64) == pytest.approx(0.4 * 2 / (2 + LEAD_DOUBT), abs=1e-6)


def test_only_the_best_twenty_count():
    cosines = [*np.linspace(0.9, 0.71, 20), *[-0.5] * 200, *[0.5] * 20, *[-0.9] * 300]
    ids = np.arange(1, len(cosines) + 1)
    part = DensePart(
        view(ids, on_a_circle(*cosines)),
        np.array([1, 0], np.float32),
        [Pool(Selection(ids[:220])), Pool(Selection(ids[220:]))],
    )
    assert part.lead(64) == pytest.approx((0.805 - 0.5) * 220 / 320, abs=1e-6)


@pytest.mark.parametrize("empty", [0, 1])
def test_of_one_language_there_is_no_lead(empty):
    ids = np.arange(1, 4)
    pools = [Selection(ids), Selection(ids)]
    pools[empty] = Selection(NO_IDS)
    part = DensePart(
        view(ids, on_a_circle(0.9, 0.2, 0.1)), np.array([1, 0], np.float32), list(map(Pool, pools))
    )
    assert part.lead(64) == 0.0


@pytest.mark.parametrize("handicap", [-0.4, 0.0, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_a_ranking_with_a_handicap_of_either_sign_is_that_of_a_full_sort(handicap, seed):
    rng = np.random.default_rng(seed)
    ids = np.arange(1, 2001)
    rows = unit_rows(rng.standard_normal((ids.size, D)).astype(np.float32))
    query = unit_rows(rng.standard_normal((1, D)).astype(np.float32))[0]
    languages = LanguageView(ids, ids[rng.random(ids.size) < 0.3])
    own, other = languages.selection("zh", None), languages.selection("en", None)
    dense = DensePart(view(ids, rows), query, [Pool(own), Pool(other)]).held_back(handicap)
    parts = {"dense": dense, "language": LanguagePart(languages, "zh", handicap)}
    found = rank(parts, 150, lambda passages: {passage: passage for passage in passages})
    scores = rows @ query - np.float32(handicap) * np.isin(ids, own.ids)
    expected = ids[np.lexsort((ids, -scores))][:150]
    assert found.exact
    assert [row.passage for row in found.rows] == expected.tolist()


def test_places_by_hand():
    assert places_among(np.array([5, 7, 9]), np.array([9, 2, 5])).tolist() == [2, -1, 0]
    assert places_among(np.array([5]), NO_IDS).tolist() == [-1]
    assert places_among(NO_IDS, np.array([1])).tolist() == []


@pytest.mark.parametrize("depth", [None, 1, 7, 500])
@pytest.mark.parametrize("filtered", [False, True])
def test_what_a_list_tells_is_what_the_index_says(depth, filtered):
    rng = np.random.default_rng(3)
    words = [f"word{number}" for number in range(40)]
    texts = [list(rng.choice(words, rng.integers(1, 30))) for _ in range(300)]
    index = TantivyIndex.in_memory(list(enumerate(texts, start=1)), covers=300)
    late = [list(rng.choice(words, 8)) for _ in range(20)]
    view = LexicalView(index, np.arange(301, 321), late, np.array([3, 4]))
    living = np.setdiff1d(np.arange(1, 321), [3, 4])
    selection = Selection(living[rng.random(living.size) < 0.4]) if filtered else None
    part = LexicalPart(view, ["word1", "word2"], selection, 0.25, alone=False)
    if depth:
        part.top(depth)
    asked = rng.permutation(selection.ids if selection else living)[:100]
    expected = view.scores(["word1", "word2"], asked) * np.float32(0.25)
    np.testing.assert_array_equal(part.scores(asked), expected)
    assert expected.any() and not expected.all()


@pytest.mark.parametrize("depths", [(), (7,), (7, 28)])
def test_what_lists_tell_of_cosines_is_what_the_index_says(depths):
    rng = np.random.default_rng(3)
    ids, rows = np.arange(100, 600), unit_rows(rng.standard_normal((500, D)).astype(np.float32))
    vector = rows[17]
    vectors = view(ids, rows)
    part = DensePart(vectors, vector, [Pool(Selection(ids[::2])), Pool(Selection(ids[1::2]))])
    for depth in depths:
        part.top(depth)
    asked = rng.permutation(ids)[:400]
    found = part.held_back(0.3).scores(asked)
    assert found.tolist() == vectors.scores(vector, asked).tolist() and found.dtype == np.float32
