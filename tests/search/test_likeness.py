"""Examples that ask: which pieces, what they weigh, and that a plain loop ranks the same."""

from dataclasses import replace

import numpy as np
import pytest

from search.arrays import unit_rows
from search.attending import DENSE_WEIGHT, QUERY_PIECES_MAX
from search.centring import without_language
from search.likeness import Example, asking
from search.question import Question
from search.ranking.attention import Simple
from search.ranking.token_codec import CONTEXT, PackedPassages, packed, unpacked, upright
from tests.search.test_attending import ANALYZER, TITLE, D, Library

MEANS = {
    "en": np.eye(D, dtype=np.float32)[0] + np.eye(D, dtype=np.float32)[1],
    "zh": np.eye(D, dtype=np.float32)[1] + np.eye(D, dtype=np.float32)[2],
}


def examples(library, passages):
    found = library.passages(passages)
    return [Example(found[passage], unpacked(library.states[passage])) for passage in passages]


def plain_pieces(library, engine, passages):
    """Return weight and state of every piece, by the formulas, without the budget."""
    terms = [
        token.term for passage in passages for token in ANALYZER.tokens(f"{TITLE}\n{library.texts[passage]}")
    ]
    states = np.concatenate([upright(unpacked(library.states[passage])) for passage in passages])
    axis = (MEANS["zh"] - MEANS["en"]) / np.linalg.norm(MEANS["zh"] - MEANS["en"])
    states = states - np.outer(states @ axis, axis)
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    rarity = engine.rarity(sorted(set(terms)))
    counted = [terms.count(term) for term in terms]
    weights = [rarity[term] * (1 + np.log(n)) / n for term, n in zip(terms, counted, strict=True)]
    return np.array(weights), states.astype(np.float64)


def plain_attention(library, sides, passage):
    states = PackedPassages([unpacked(library.states[passage])]).products(np.eye(D, dtype=np.float32)).T
    total = 0.0
    for sign, weights, asked in sides:
        for weight, state in zip(weights / weights.sum(), asked, strict=True):
            similar = states.astype(np.float64) @ state
            shares = np.exp(similar / Simple().temperature)
            total += sign * weight * (shares / shares.sum() * similar).sum()
    return total


def question(library, made, **changes):
    asked = Question(
        "attention", 12, "passage", True, [], library.rows[3], "en", balanced=True, by_examples=True
    )
    return replace(asked, pieces=made.pieces, text=made.text, **changes)


def test_upright_states_are_what_was_stored_before_it_leans():
    generator = np.random.default_rng(3)
    states = generator.standard_normal((5, 25)).astype(np.float32)
    text = "abcde"
    spans = np.array([(place, place + 1) for place in range(5)], np.int32)
    stored = unpacked(packed(states, spans, text, np.zeros(25, np.float32)))
    upright_states = upright(stored)
    np.testing.assert_allclose(np.linalg.norm(upright_states, axis=1), 1, atol=1e-6)
    leaning = unit_rows(upright_states + CONTEXT * stored.mean)
    seen = PackedPassages([stored]).products(np.eye(25, dtype=np.float32)).T
    np.testing.assert_allclose(leaning, seen, atol=2e-3)  # factors are stored in half precision
    assert np.sum(upright_states * unit_rows(states), axis=1).min() > 0.9


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("unwanted", [0, 2])
def test_scores_parts_and_links_are_those_of_a_plain_loop(seed, unwanted):
    library = Library(90, 20 + seed, chinese=0.5 if seed % 2 else 0.0)
    engine = library.engine()
    ids = library.ids.tolist()
    like, unlike = ids[4:6], ids[10 : 10 + unwanted]
    made = asking(examples(library, like), examples(library, unlike), engine.rarity, MEANS, ANALYZER)
    found = engine.answer(question(library, made), None)
    sides = [(1, *plain_pieces(library, engine, like))]
    if unwanted:
        sides.append((-1, *plain_pieces(library, engine, unlike)))
    assert (found.mode, len(found.hits)) == ("attention", 12)
    for hit in found.hits:
        assert set(hit.parts) <= {"attention", "dense", "language"}
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-9)
        expected = plain_attention(library, sides, hit.passage.id)
        assert hit.parts["attention"] == pytest.approx(expected, abs=1e-5)
        cosine = float(library.rows[ids.index(hit.passage.id)] @ library.rows[3])
        assert hit.parts["dense"] == pytest.approx(DENSE_WEIGHT * cosine, abs=1e-6)
        told = made.placed(hit.explanation["attention"])
        assert np.sum(told["carried"]) == pytest.approx(hit.parts["attention"], abs=1e-6)
        for word in told["query"]:
            assert word["passage"] in (*like, *unlike)
            text = library.texts[word["passage"]]
            if word["start"] is None:
                assert word["text"] in TITLE
            else:
                assert text[word["start"] - 1000 : word["end"] - 1000] == word["text"]


def test_the_weightiest_pieces_of_all_examples_ask_and_each_side_has_its_share():
    library = Library(90, 31)
    engine = library.engine()
    ids = library.ids.tolist()
    like, unlike = examples(library, ids[:14]), examples(library, ids[20:34])
    weights, states = plain_pieces(library, engine, ids[:14])
    for others, budget in (([], QUERY_PIECES_MAX), (unlike, QUERY_PIECES_MAX // 2)):
        made = asking(like, others, engine.rarity, MEANS, ANALYZER)
        kept = np.sort(np.argsort(-weights, kind="stable")[:budget])
        assert len(weights) > QUERY_PIECES_MAX and len(made.pieces.states) == QUERY_PIECES_MAX
        np.testing.assert_allclose(made.pieces.states[:budget], states[kept], atol=1e-6)
        np.testing.assert_allclose(made.pieces.weights[:budget], weights[kept] / weights[kept].sum())
        assert made.pieces.weights.sum() == pytest.approx(0 if others else 1)


def test_states_that_ask_know_no_language():
    library = Library(20, 32)
    made = asking(examples(library, library.ids[:2].tolist()), [], library.engine().rarity, MEANS, ANALYZER)
    axis = MEANS["zh"] - MEANS["en"]
    np.testing.assert_allclose(made.pieces.states @ axis, 0, atol=1e-6)
    one = {"en": MEANS["en"]}
    rows = unit_rows(library.drawn(3, D))
    np.testing.assert_array_equal(without_language(rows, one), rows)


def test_an_example_of_no_word_ranks_by_meaning():
    library = Library(20, 33, chinese=0.0)
    passage = int(library.ids[0])
    nothing = packed(np.empty((0, D), np.float32), np.empty((0, 2), np.int32), "", library.centre)
    example = [Example(library.passages([passage])[passage], unpacked(nothing))]
    made = asking(example, [], library.engine().rarity, MEANS, ANALYZER)
    found = library.engine().answer(question(library, made), None)
    assert {hit.parts["attention"] for hit in found.hits} == {0.0}
    assert [hit.parts["dense"] for hit in found.hits] == sorted(
        (hit.parts["dense"] for hit in found.hits), reverse=True
    )


def test_passages_without_states_leave_the_ranking_to_meaning():
    library = Library(50, 34, without_states=(int(Library(50, 34).ids[0]),))
    engine = library.engine()
    made = asking(examples(library, library.ids[1:2].tolist()), [], engine.rarity, MEANS, ANALYZER)
    found = engine.answer(question(library, made), None)
    assert (found.mode, found.waiting) == ("dense", 1)
    assert all(set(hit.parts) == {"dense", "language"} for hit in found.hits)
