"""What is stored of token states gives products close to those of the states, and exactly its own."""

import numpy as np
import pytest

from search.arrays import unit_rows
from search.ranking.token_codec import CONTEXT, PackedPassages, packed, unpacked

SEED = 20240501
TEXT = "Tea, 高山茶 🍵 and ｔｅａ."
SPANS = [(0, 3), (3, 4), (5, 7), (7, 8), (9, 10), (11, 14), (15, 16), (16, 18), (18, 19)]
SAID = [0, 2, 3, 5, 6, 7]
"""Pieces with a letter."""


def states_of(count, dimension, seed=SEED):
    """Return raw states that lie around a centre, and the centre."""
    generator = np.random.default_rng(seed)
    centre = generator.standard_normal(dimension).astype(np.float32)
    return centre + generator.standard_normal((count, dimension)).astype(np.float32), centre


def leaning(states, centre):
    """Return the states as the codec's first lines define them, in double precision."""
    centred = (states - centre).astype(np.float64)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    mean = centred.mean(axis=0)
    leant = centred + float(CONTEXT) * mean / np.linalg.norm(mean)
    return leant / np.linalg.norm(leant, axis=1, keepdims=True)


def stored(states, centre, text=TEXT, spans=SPANS):
    return unpacked(packed(states, np.array(spans, np.int32).reshape(-1, 2), text, centre))


@pytest.mark.parametrize("dimension", [384, 385, 386, 7])
def test_products_are_those_of_the_states_within_what_six_levels_lose(dimension):
    states, centre = states_of(len(SPANS), dimension)
    query = unit_rows(np.random.default_rng(1).standard_normal((5, dimension)).astype(np.float32))
    found = PackedPassages([stored(states, centre)]).products(query)
    expected = query @ leaning(states, centre)[SAID].T
    assert found.shape == (5, len(SAID)) and found.dtype == np.float32
    assert np.abs(found - expected).max() < 1.6 * dimension**-0.5
    if dimension > 300:
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.95


def test_a_stored_state_is_of_unit_length():
    states, centre = states_of(len(SPANS), 384)
    passage = stored(states, centre)
    whole = PackedPassages([passage]).products(np.eye(384, dtype=np.float32))
    np.testing.assert_allclose(np.linalg.norm(whole, axis=0), 1, atol=2e-3)


def test_products_do_not_depend_on_company():
    passages = [stored(*states_of(len(SPANS), 384, seed)) for seed in range(60)]
    query = unit_rows(states_of(3, 384, 9)[0])
    together = PackedPassages(passages)
    assert together.lengths.tolist() == [len(SAID)] * 60
    alone = np.concatenate([PackedPassages([passage]).products(query) for passage in passages], axis=1)
    np.testing.assert_allclose(together.products(query), alone, atol=1e-6)


def test_pieces_keep_their_places_and_those_without_a_letter_are_left_out():
    passage = stored(*states_of(len(SPANS), 48))
    assert passage.spans.tolist() == [list(SPANS[place]) for place in SAID]
    assert [TEXT[start:end] for start, end in passage.spans] == ["Tea", "高山", "茶", "and", "ｔ", "ｅａ"]


def test_pieces_may_overlap_and_stand_far_apart():
    text = "ab" + " " * 100_000 + "é"
    spans = [(0, 2), (1, 2), (100_002, 100_003), (100_002, 100_004)]
    assert stored(*states_of(4, 12), text, spans).spans.tolist() == [list(span) for span in spans]


def test_a_passage_without_a_word_has_no_states():
    empty = stored(*states_of(2, 12), "?!", [(0, 1), (1, 2)])
    nothing = stored(*states_of(0, 12), "", [])
    full = stored(*states_of(1, 12), "a", [(0, 1)])
    assert empty.spans.shape == nothing.spans.shape == (0, 2)
    found = PackedPassages([empty, full, nothing])
    assert found.lengths.tolist() == [0, 1, 0] and found.products(np.eye(12, dtype=np.float32)).shape == (
        12,
        1,
    )
    assert PackedPassages([]).products(np.eye(12, dtype=np.float32)).shape == (12, 0)
    assert PackedPassages([empty]).products(np.eye(12, dtype=np.float32)).shape == (12, 0)


def test_a_passage_of_180_pieces_takes_at_most_24_kilobytes():
    states, centre = states_of(180, 384)
    text = " ".join(f"w{number}" for number in range(180))
    starts = np.cumsum([0, *(len(word) + 1 for word in text.split())])[:-1]
    spans = [(start, start + len(word)) for start, word in zip(starts, text.split(), strict=True)]
    assert len(packed(states, np.array(spans, np.int32), text, centre)) <= 24 * 1024


def test_what_another_version_wrote_or_is_cut_short_is_refused():
    states, centre = states_of(len(SPANS), 12)
    written = packed(states, np.array(SPANS, np.int32), TEXT, centre)
    with pytest.raises(ValueError, match="version 9 where 1 is known"):
        unpacked(b"\x09" + written[1:])
    for length in (0, 5, 9, 30, 60):
        with pytest.raises(ValueError):
            unpacked(written[:length])
