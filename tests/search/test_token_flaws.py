"""What is wrong with stored token states is seen and put into words."""

import numpy as np
import pytest

from search.ranking.token_codec import VERSION, packed, unpacked
from search.ranking.token_flaws import flaw

TEXT = "A heron, 茶!"


def pack(spans, dimension=16):
    states = np.random.default_rng(1).standard_normal((len(spans), dimension)).astype(np.float32)
    return packed(states, np.array(spans, np.int32), TEXT + "x" * 100, np.zeros(dimension, np.float32))


def test_whole_states_have_no_flaw():
    whole = pack([(0, 1), (2, 7), (7, 8), (9, 10)])
    assert flaw(whole, TEXT, 16) is None and len(unpacked(whole).codes) == 3
    assert (
        flaw(packed(np.empty((0, 16), np.float32), np.empty((0, 2), np.int32), "", np.zeros(16)), "", 16)
        is None
    )


def test_every_cut_of_states_is_a_flaw():
    whole = pack([(0, 1), (2, 7), (9, 10)])
    assert [length for length in range(len(whole)) if flaw(whole[:length], TEXT, 16) is None] == []


@pytest.mark.parametrize(
    ("states", "told"),
    [
        pytest.param(b"", "cannot be unpacked", id="empty"),
        pytest.param(bytes([VERSION + 1]) + pack([(0, 1)])[1:], "cannot be unpacked", id="version"),
        pytest.param(pack([(0, 1)], 15), "are of 15 numbers where the encoder has 16", id="dimension"),
        pytest.param(pack([(0, 1), (8, 12)]), "stand outside of the passage", id="outside"),
    ],
)
def test_a_flaw_is_put_into_words(states, told):
    assert flaw(states, TEXT, 16) == told


def test_states_of_another_text_stand_where_no_word_is():
    assert flaw(pack([(0, 1)]), "!", 16) == "stand where no word is"
