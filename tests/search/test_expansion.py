"""Further words by hand, and what they do to the answers of an engine."""

from dataclasses import replace

import numpy as np
import pytest

from search.expansion import COMMON, PASSAGES, WORDS, likely_words, weighed
from search.lexical.bm25 import Statistics, score_passages
from search.model import FurtherWord
from search.text.analyzer import Analyzer
from search.views import Selection
from tests.search.test_attending import TITLE, Library

ANALYZER = Analyzer()
SHARES = {"lexical": 0.4, "attention": 0.4}


def known(documents, **frequencies):
    return lambda terms: Statistics(documents, 5.0, {term: frequencies.get(term, 1) for term in terms})


def test_a_case_worked_by_hand():
    # kettles and kettle are one term: P = (2/4 + 1/2) / 2 = 1/2; boil 1/4 / 2 = 1/8; 水 1/2 / 2 = 1/4.
    # tea was asked for.  Of what is left kettle has 4/7, 水 2/7, boil 1/7.
    texts = ["Kettles boil tea, kettles", "kettle 水"]
    words = likely_words(["tea"], texts, ANALYZER, known(100))
    assert [(word.word, word.term) for word in words] == [
        ("Kettles", "kettl"),
        ("水", "水"),
        ("boil", "boil"),
    ]
    np.testing.assert_allclose([word.weight for word in words], [4 / 7, 2 / 7, 1 / 7], rtol=1e-12)
    # A share of .2: a quarter of what two words of the question weigh, .5 in all.
    further = weighed(words, ["tea", "leaf", "tea"], 0.2)
    assert [word.weight for word in further] == pytest.approx([2 / 7, 1 / 7, 1 / 14], rel=1e-12)


def test_words_that_many_passages_hold_say_nothing():
    words = likely_words([], ["boil kettle"], ANALYZER, known(100, boil=11, kettl=10))
    assert words == [FurtherWord("kettle", "kettl", 1.0)]
    assert COMMON == 0.1


def test_no_more_words_than_there_may_be_and_of_equals_the_first_by_letters():
    text = " ".join(f"w{number}" for number in range(99, 9, -1))
    words = likely_words([], [text], ANALYZER, known(1000))
    assert [word.term for word in words] == [f"w{number}" for number in range(10, 10 + WORDS)]
    assert sum(word.weight for word in words) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("texts", [[], [""], ["tea"]])
def test_where_nothing_further_is_said_there_are_no_words(texts):
    assert likely_words(["tea"], texts, ANALYZER, known(100)) == []
    assert weighed([], ["tea"], 0.5) == []


@pytest.fixture(scope="module")
def library():
    """Passages in which some words are rare enough to say something."""
    made = Library(200, 5, chinese=0.4)
    generator = np.random.default_rng(8)
    for passage in made.texts:
        made.texts[passage] += " " + " ".join(f"r{number}" for number in generator.integers(0, 60, 3))
    return made


def asked(library, mode, **changes):
    question = library.question(**changes)
    return question if mode == "attention" else replace(question, mode=mode, pieces=None)


def first_passages(library, mode, selection=None):
    """Return the best passages of the first look, which the engine tells when asked for them."""
    first = asked(library, "lexical" if mode == "lexical" else "hybrid", limit=PASSAGES)
    return [hit.passage.id for hit in library.engine().answer(first, selection).hits]


@pytest.mark.parametrize("mode", ["lexical", "attention"])
def test_the_words_are_those_of_the_best_passages(library, mode):
    answer = replace(library.engine(), shares=SHARES).answer(asked(library, mode), None)
    said = {
        term
        for passage in first_passages(library, mode)
        for term in ANALYZER.terms(f"{TITLE} {library.texts[passage]}")
    }
    terms = [word.term for word in answer.expansion]
    assert terms and set(terms) <= said
    assert not set(terms) & set(asked(library, mode).terms)
    assert sum(word.weight for word in answer.expansion) == pytest.approx(0.4 / 0.6 * 3, rel=1e-12)


@pytest.mark.parametrize("mode", ["lexical", "attention"])
def test_parts_are_bm25_of_all_words_and_add_up_to_the_score(library, mode):
    engine = replace(library.engine(), shares=SHARES)
    answer = engine.answer(asked(library, mode, limit=200), None)
    assert answer.mode == mode and answer.exact
    weights = {"heron": 1.0, "willow": 1.0, "lantern": 1.0}
    weights |= {word.term: word.weight for word in answer.expansion}
    ids = [hit.passage.id for hit in answer.hits]
    passages = [ANALYZER.terms(f"{TITLE} {library.texts[passage]}") for passage in ids]
    scores = score_passages(weights, passages, engine.words.statistics(weights))
    for hit, score in zip(answer.hits, scores.tolist(), strict=True):
        told = hit.explanation["lexical"]
        assert told["bm25"] == pytest.approx(score, abs=1e-5)
        assert told["factor"] * told["bm25"] == pytest.approx(hit.parts["lexical"], abs=1e-9)
        assert told["terms"] == list(weights)
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)
    if mode == "lexical":  # every passage with one of the words, and no other
        holding = {p for p in library.texts if set(ANALYZER.terms(library.texts[p])) & set(weights)}
        assert set(ids) == holding


def test_the_page_is_the_beginning_of_a_longer_one(library):
    engine = replace(library.engine(), shares=SHARES)
    short, long = (engine.answer(asked(library, "lexical", limit=limit), None) for limit in (5, 100))
    assert short.expansion == long.expansion
    assert short.hits == long.hits[:5]


@pytest.mark.parametrize("mode", ["lexical", "attention"])
def test_words_come_from_what_a_filter_lets_through(library, mode):
    allowed = Selection(library.ids[::3])
    answer = replace(library.engine(), shares=SHARES).answer(asked(library, mode), allowed)
    best = first_passages(library, mode, allowed)
    assert set(best) <= set(allowed.ids.tolist())
    said = {term for passage in best for term in ANALYZER.terms(library.texts[passage])}
    assert answer.expansion and {word.term for word in answer.expansion} <= said
    assert {hit.passage.id for hit in answer.hits} <= set(allowed.ids.tolist())


@pytest.mark.parametrize("mode", ["lexical", "dense", "hybrid", "attention"])
def test_without_a_share_not_a_bit_is_another(library, mode):
    alone, beside = library.engine(), replace(library.engine(), shares={"lexical": 0.4})
    question = asked(library, mode)
    before, after = alone.answer(question, None), beside.answer(question, None)
    assert before.expansion is None
    assert (after == before) == (mode != "lexical")


def test_where_attention_cannot_rank_nothing_is_expanded():
    waiting = Library(60, 5)
    waiting.without_states = tuple(waiting.ids.tolist())
    answer = replace(waiting.engine(), shares=SHARES).answer(waiting.question(), None)
    assert (answer.mode, answer.expansion) == ("hybrid", None)
    assert answer.waiting


def test_further_words_are_marked_fainter_than_those_of_the_question(library):
    answer = replace(library.engine(), shares=SHARES).answer(asked(library, "lexical", limit=200), None)
    weights = {word.term: word.weight for word in answer.expansion}
    seen = set()
    for hit in answer.hits:
        found = {
            ANALYZER.terms(library.texts[hit.passage.id][mark.start - 1000 : mark.end - 1000])[0]: mark.weight
            for mark in hit.highlights
        }
        asked_for = set(found) & {"heron", "willow", "lantern"}
        for term, weight in found.items():
            if term in weights and asked_for:
                assert weight == round(weights[term], 3)
                seen.add(term)
    assert seen
