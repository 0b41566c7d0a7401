"""Encoders beside attention: what they find is looked at, and without them nothing changes."""

from dataclasses import replace

import numpy as np
import pytest

from search.arrays import unit_rows
from search.attending import CANDIDATES, DENSE_WEIGHT, LEXICAL_SHARE, WEIGHTS
from search.vectors.exact_index import ExactIndex
from search.views import NO_IDS, Selection, VectorView
from tests.search.test_attending import Library

E = 7
"""Dimension of the further encoder."""


def beside(library, name="lsi", seed=1):
    """Return rows of a further encoder, its view, and a vector of the question."""
    generator = np.random.default_rng(seed)
    rows = unit_rows(generator.standard_normal((library.count, E)).astype(np.float32))
    view = VectorView(
        ExactIndex(library.ids, rows), ExactIndex(NO_IDS, np.empty((0, E), np.float32)), None, None
    )
    asked = unit_rows(generator.standard_normal((1, E)).astype(np.float32))[0]
    return rows, {name: view}, {name: asked}


@pytest.mark.parametrize("chinese", [0.0, 0.5])
def test_parts_are_the_weighted_cosines_and_the_score_is_their_sum(chinese):
    library = Library(90, 5, chinese=chinese)
    rows, views, vectors = beside(library)
    engine = replace(library.engine(), beside=views, weights={**WEIGHTS, "lsi": 0.3})
    question = library.question(beside=vectors, limit=90)
    hits = engine.answer(question, None).hits
    alone = {hit.passage.id: hit for hit in library.engine().answer(question, None).hits}
    assert len(hits) == 90
    for hit in hits:
        cosine = float(rows[np.searchsorted(library.ids, hit.passage.id)] @ vectors["lsi"])
        assert hit.parts["lsi"] == pytest.approx(0.3 * cosine, abs=1e-6)
        assert hit.explanation["lsi"] == pytest.approx({"cosine": cosine, "factor": 0.3}, abs=1e-6)
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
        for part in ("attention", "dense", "lexical"):
            assert hit.parts[part] == alone[hit.passage.id].parts[part]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


@pytest.mark.parametrize("usual", [WEIGHTS, {"dense": 1.0, "lexical": 1.0}])
def test_each_language_is_held_against_its_best_by_what_parts_usually_weigh(usual):
    library = Library(60, 11, chinese=0.5)
    _, views, vectors = beside(library)
    fitted = {"dense": 0.1, "lexical": 0.9, "lsi": 0.8}
    engine = replace(library.engine(), beside=views, weights=fitted, usual_weights=usual)
    hits = engine.answer(library.question(limit=60, beside=vectors), None).hits
    english = [hit for hit in hits if not library.is_chinese[np.searchsorted(library.ids, hit.passage.id)]]
    (handicap,) = {round(hit.parts["language"], 12) for hit in english}
    sums = {
        own: sorted(
            (
                hit.parts["attention"] + hit.parts["dense"] * usual["dense"] / fitted["dense"]
                for hit in hits
                if (hit in english) == own
            ),
            reverse=True,
        )
        for own in (True, False)
    }
    fewest = min(len(english), 60 - len(english))
    ahead = (np.mean(sums[True][:10]) - np.mean(sums[False][:10])) * fewest / (fewest + 100)
    lifted = max(hit.parts["lexical"] for hit in hits) * usual["lexical"] / fitted["lexical"]
    assert lifted > 0 and -handicap == pytest.approx(lifted + ahead, abs=1e-9)


def test_what_a_further_encoder_alone_finds_is_looked_at():
    library = Library(500, 7, chinese=0.0)
    rows, views, vectors = beside(library)
    question = library.question(beside=vectors)
    first = library.engine().candidates(question).ids
    nearest = library.ids[np.argsort(-(rows @ vectors["lsi"]))]
    looked = replace(library.engine(), beside=views).candidates(question)
    assert set(looked.ids) == set(first) | set(nearest[: CANDIDATES // 2])
    unseen = next(passage for passage in nearest if passage not in first)
    mixed = replace(library.engine(), beside=views, weights={**WEIGHTS, "lsi": 50.0})
    assert unseen in [hit.passage.id for hit in mixed.answer(question, None).hits]


def test_a_filter_holds_for_further_encoders():
    library = Library(300, 7)
    _, views, vectors = beside(library)
    allowed = library.ids[::4]
    engine = replace(library.engine(), beside=views, weights={**WEIGHTS, "lsi": 50.0})
    hits = engine.answer(library.question(beside=vectors, limit=20), Selection(allowed)).hits
    assert len(hits) == 20
    assert {hit.passage.id for hit in hits} <= set(allowed.tolist())


def test_an_encoder_that_knows_no_word_of_the_question_says_nothing():
    library = Library(90, 3)
    _, views, _ = beside(library)
    engine = replace(library.engine(), beside=views, weights={**WEIGHTS, "lsi": 0.5})
    hits = engine.answer(library.question(beside={"lsi": np.zeros(E, np.float32)}), None).hits
    alone = library.engine().answer(library.question(), None).hits
    assert {hit.parts["lsi"] for hit in hits} == {0.0}
    assert [(hit.passage.id) for hit in hits] and len(alone) == len(hits)


@pytest.mark.parametrize("seed", range(3))
def test_views_that_weigh_nothing_change_no_bit_of_the_scores(seed):
    library = Library(60, seed, chinese=0.5)  # few, so that all are candidates either way
    _, views, vectors = beside(library)
    question = library.question(beside=vectors)
    told = [
        [(hit.passage.id, hit.score, dict(hit.parts)) for hit in engine.answer(question, None).hits]
        for engine in (library.engine(), replace(library.engine(), beside=views))
    ]
    assert told[0] == told[1]
    assert all(set(parts) == {"attention", "dense", "lexical", "language"} for _, _, parts in told[0])


def test_meaning_and_words_can_weigh_more_or_nothing():
    library = Library(60, 4, chinese=0.5)
    question = library.question(limit=60)
    usual = {hit.passage.id: hit for hit in library.engine().answer(question, None).hits}
    other = {"dense": 2 * DENSE_WEIGHT, "lexical": LEXICAL_SHARE / 2}
    twice = replace(library.engine(), weights=other).answer(question, None).hits
    for hit in twice:
        parts = usual[hit.passage.id].parts
        assert hit.parts["dense"] == pytest.approx(2 * parts["dense"], abs=1e-12)
        assert hit.parts["lexical"] == pytest.approx(parts["lexical"] / 2, abs=1e-12)
        for name in ("dense", "lexical"):
            usually = usual[hit.passage.id].explanation[name]
            assert next(iter(hit.explanation[name].values())) == pytest.approx(next(iter(usually.values())))
    silent = (
        replace(library.engine(), weights={"dense": DENSE_WEIGHT, "lexical": 0.0}).answer(question, None).hits
    )
    assert len(silent) == 60
    assert all(set(hit.parts) == {"attention", "dense", "language"} for hit in silent)
    assert all("lexical" not in hit.explanation for hit in silent)
