"""Pieces join to the words that people read, and weigh what their words weigh, in any script."""

import numpy as np
import pytest

from search.ranking.pieces import piece_weights, said, tokens_of_pieces, words_of_pieces
from search.text.analyzer import Analyzer

ANALYZER = Analyzer()


def spans_of(text, *pieces):
    """Return where ``pieces``, in reading order, stand in ``text``."""
    at, spans = 0, []
    for piece in pieces:
        at = text.index(piece, at)
        spans.append((at, at + len(piece)))
        at += len(piece)
    return np.array(spans, np.int32).reshape(-1, 2)


def words(text, *pieces):
    spans = spans_of(text, *pieces)
    found, _ = words_of_pieces(text, spans, ANALYZER.tokens(text))
    return [text[start:end] for start, end in found.tolist()]


@pytest.mark.parametrize(
    ("text", "pieces", "expected"),
    [
        ("stagnation point", ["sta", "gna", "tion", "point"], ["stagnation", "point"]),
        ("of the whereupon", ["of", "the", "where", "upon"], ["of", "the", "whereupon"]),  # no terms at all
        ("避免高原反应", ["避免", "高", "原", "反应"], ["避免", "高原", "反应"]),
        ("怎么办", ["怎么", "办"], ["怎么", "办"]),
        ("🍵tea", ["🍵", "tea"], ["🍵", "tea"]),
        ("ｔｅａ ｃｕｐ", ["ｔｅ", "ａ", "ｃｕｐ"], ["ｔｅａ", "ｃｕｐ"]),  # full width
        ("cafe\u0301s", ["caf", "e\u0301", "s"], ["cafe\u0301s"]),  # combining mark
        ("電腦軟體", ["電", "腦", "軟", "體"], ["電腦", "軟體"]),  # traditional
        ("用v-memo缓存", ["用", "v", "-", "memo", "缓存"], ["用", "v-memo", "缓存"]),
        ("3.14", ["3", ".", "14"], ["3.14"]),
        ("", [], []),
    ],
)
def test_words(text, pieces, expected):
    assert words(text, *pieces) == expected


def test_every_piece_is_in_one_word():
    text = "Node.js 运行时 is fast, 高山茶 isn't; e\u0301!"
    spans = spans_of(
        text, "Node", ".", "js", "运行", "时", "is", "fast", ",", "高", "山", "茶", "is", "n't", ";"
    )
    found, first = words_of_pieces(text, spans, ANALYZER.tokens(text))
    pieces = np.split(spans, first)
    assert pieces.pop(0).size == 0  # no piece comes before the first word
    assert all(
        len(own) and own[:, 0].min() == start and own[:, 1].max() == end
        for (start, end), own in zip(found.tolist(), pieces, strict=True)
    )


def test_parts_of_one_character_are_one_word():
    # A model may spell a rare character out; its pieces then share the place, or have none.
    spans = np.array([(0, 1), (0, 1), (1, 1), (2, 4)], np.int32)
    found, first = words_of_pieces("𠀀 ab", spans, [])
    assert found.tolist() == [[0, 1], [2, 4]] and first.tolist() == [0, 3]


def test_a_piece_weighs_as_much_as_the_rarest_term_it_is_a_part_of():
    text = "how to cool a transonic airfoil"
    spans = spans_of(text, "how", "cool", "trans", "onic", "air", "foil")
    tokens = ANALYZER.tokens(text)
    terms = [[tokens[place].term for place in those] for those in tokens_of_pieces(spans, tokens)]
    assert terms == [[], ["cool"], ["transon"], ["transon"], ["airfoil"], ["airfoil"]]
    weights = piece_weights(terms, {"cool": 1.0, "transon": 4.0, "airfoil": 2.0})
    np.testing.assert_allclose(weights, np.array([1.2, 1, 4, 4, 2, 2]) / 14.2)


def test_pieces_of_a_query_without_terms_weigh_alike():
    np.testing.assert_allclose(piece_weights([[], []], {}), [0.5, 0.5])
    np.testing.assert_allclose(piece_weights([["a"], []], {"a": 0.0}), [0, 1])
    assert piece_weights([], {}).shape == (0,)


def test_what_has_no_letter_says_nothing():
    text = "a 茶 🍵 3 -- é"
    spans = spans_of(text, "a", "茶", "🍵", "3", "--", "é")
    assert said(text, spans).tolist() == [True, True, False, True, False, True]
    assert said("", np.empty((0, 2), np.int32)).tolist() == []
