"""BM25 by hand, against tantivy's own explanations, and as a bound."""

import json
from itertools import pairwise
from math import log

import numpy as np
import pytest
import tantivy

from search.lexical import tantivy_format
from search.lexical.bm25 import (
    Statistics,
    distinct,
    idf,
    score_passages,
    statistics_of,
    stored_length,
    upper_bound,
)
from search.lexical.tantivy_index import TantivyIndex

PASSAGES = [
    ["cat", "sat", "mat"],
    ["cat", "cat", "dog"],
    ["bird"],
    [],
]


def test_statistics_are_counted():
    statistics = statistics_of(["cat", "dog", "cat", "fish"], PASSAGES)
    assert statistics == Statistics(4, 7 / 4, {"cat": 2, "dog": 1, "fish": 0})
    assert statistics_of(["cat"], []) == Statistics(0, 0.0, {"cat": 0})


def test_a_case_worked_by_hand():
    # N = 4, average 1.75; idf(cat) = ln(1 + 2.5/2.5) = ln 2, idf(dog) = ln(1 + 3.5/1.5) = ln(10/3).
    # Length 3: 1.2 (.25 + .75 3/1.75) = 1.842857; cat once 1/2.842857, twice 2/3.842857.
    statistics = statistics_of(["cat", "dog"], PASSAGES)
    scores = score_passages(["cat", "dog"], PASSAGES, statistics)
    first = log(2) * 2.2 / 2.842857
    second = log(2) * 2.2 * 2 / 3.842857 + log(10 / 3) * 2.2 / 2.842857
    np.testing.assert_allclose(scores, [first, second, 0, 0], rtol=1e-6)
    assert scores.dtype == np.float32


def test_a_term_asked_for_twice_counts_once():
    statistics = statistics_of(["cat", "dog"], PASSAGES)
    once = score_passages(["cat", "dog"], PASSAGES, statistics)
    twice = score_passages(["cat", "dog", "cat"], PASSAGES, statistics)
    assert once.tolist() == twice.tolist()
    assert upper_bound(["cat", "cat"], statistics) == upper_bound(["cat"], statistics)
    assert distinct(["b", "a", "b"]) == ["b", "a"]


def test_terms_count_as_much_as_they_weigh():
    # As in the case worked by hand, dog at a quarter: log(10/3) 2.2 / 2.842857 / 4 = .232929.
    statistics = statistics_of(["cat", "dog"], PASSAGES)
    [_, both, _, _] = score_passages({"cat": 1.0, "dog": 0.25}, PASSAGES, statistics)
    [_, cat, _, _] = score_passages(["cat"], PASSAGES, statistics)
    assert both - cat == pytest.approx(0.232929, abs=1e-6)
    bound = upper_bound({"cat": 1.0, "dog": 0.25}, statistics)
    assert bound == pytest.approx(2.2 * (log(2) + log(10 / 3) / 4), rel=1e-6)


def test_an_empty_index_leaves_the_statistics_to_the_passages():
    nothing = Statistics(0, 0.0, {})
    scores = score_passages(["cat"], PASSAGES, nothing)
    assert scores.tolist() == score_passages(["cat"], PASSAGES, statistics_of(["cat"], PASSAGES)).tolist()
    assert score_passages(["cat"], [], nothing).shape == (0,)


def test_no_terms_no_score():
    statistics = statistics_of([], PASSAGES)
    assert score_passages([], PASSAGES, statistics).tolist() == [0, 0, 0, 0]
    assert upper_bound([], statistics) == 0.0


@pytest.mark.parametrize("frequency", [0, 1, 50, 99, 100])
def test_idf_is_above_zero(frequency):
    assert idf(100, frequency) == pytest.approx(
        log(1 + (100 - frequency + 0.5) / (frequency + 0.5)), rel=2e-5
    )
    assert idf(100, frequency) > 0


def test_the_bound_is_never_reached_and_is_tight():
    statistics = Statistics(1000, 50.0, {"a": 10, "b": 400})
    bound = upper_bound(["a", "b"], statistics)
    flood = ["a", "b"] * 20_000
    best = score_passages(["a", "b"], [["a", "b"], flood[:60]], statistics).max()
    assert 0.8 * bound < best < bound


def test_stored_lengths():
    exact = list(range(41))
    assert [stored_length(length) for length in exact] == exact
    table = [
        42,
        44,
        46,
        48,
        50,
        52,
        54,
        56,
        60,
        64,
        68,
        72,
        76,
        80,
        84,
        88,
        96,
        104,
        112,
        120,
        128,
        136,
        144,
        152,
        168,
    ]
    for low, high in pairwise(table):
        assert {stored_length(length) for length in range(low, high)} == {low}


@pytest.fixture(scope="module")
def explained():
    """Passages of many lengths in tantivy, and a function that gives its explanation of one score."""
    lengths = [*range(1, 140), 151, 152, 153, 167, 168, 255, 256, 1000, 4095, 4096, 4097, 10_000, 100_000]
    passages = [["common"] * (length - length // 2) + ["filler"] * (length // 2) for length in lengths]
    index = tantivy_format.new_index(None)
    tantivy_format.commit(index, enumerate(passages), (), 0)
    index.reload()
    searcher = index.searcher()
    hits = searcher.search(tantivy_format.term_query(index, "common"), len(lengths)).hits
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    place = {passage_id: hit for passage_id, hit in zip(ids, hits, strict=True)}

    def explanation(passage_id):
        query = tantivy_format.term_query(index, "common")
        return json.loads(query.explain(searcher, place[passage_id][1]).to_json()), place[passage_id][0]

    return passages, explanation


def test_every_factor_is_tantivys(explained):
    passages, explanation = explained
    lengths = [len(passage) for passage in passages]
    average = (sum(lengths) + 1) / (len(passages) + 1)  # the marker is a passage of one term
    statistics = Statistics(len(passages) + 1, average, {"common": len(passages)})
    scores = score_passages(["common"], passages, statistics)
    for passage_id, passage in enumerate(passages):
        told, score = explanation(passage_id)
        facts = {}
        nodes = [told]
        while nodes:
            node = nodes.pop()
            facts[node["description"].partition(",")[0]] = node["value"]
            nodes += node.get("details", [])
        assert facts["k1"] == pytest.approx(1.2)
        assert facts["b"] == 0.75
        assert facts["N"] == statistics.documents
        assert facts["n"] == len(passages)
        assert facts["avgdl"] == pytest.approx(average, rel=1e-6)
        assert facts["idf"] == pytest.approx(float(idf(statistics.documents, len(passages))), rel=1e-6)
        assert facts["dl"] == stored_length(len(passage))
        assert scores[passage_id] == pytest.approx(score, rel=1e-6)
        assert scores[passage_id] == pytest.approx(told["value"], rel=1e-6)


def test_late_scores_equal_the_indexs_bit_for_bit():
    rng = np.random.default_rng(3)
    passages = [[f"w{word}" for word in rng.zipf(1.3, rng.integers(1, 120)) % 500] for _ in range(2000)]
    index = TantivyIndex.in_memory(enumerate(passages), covers=1)
    for _ in range(20):
        query = [f"w{word}" for word in rng.zipf(1.3, 8) % 500]
        ids = np.arange(2000)
        late = score_passages(query, passages, index.statistics(query))
        assert late.tolist() == index.scores(query, ids).tolist()
        assert late.max() < upper_bound(query, index.statistics(query))


def test_the_tantivy_that_is_installed_explains_in_the_words_we_read():
    assert tantivy.__version__
    index = TantivyIndex.in_memory([(1, ["a", "b", "c"])], covers=9)
    assert index.statistics(["a", "z"]) == Statistics(2, 2.0, {"a": 1, "z": 0})
