"""Attention by hand, against PyTorch, and by what company and order must not change."""

from dataclasses import dataclass

import numpy as np
import pytest

from search.ranking.attention import Causal, MultiHead, Projections, Simple, Trainable

# torch warns of its own future when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")

D = 24
LENGTHS = np.array([7, 1, 12, 5])
QUERY_TOKENS = 6


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def projections(seed, width, value_width=D):
    maps = drawn(seed, 3, D, max(width, value_width)) / np.float32(D**0.5)
    return Projections(maps[0, :, :width], maps[1, :, :width], maps[2, :, :value_width])


QUERY = drawn(1, QUERY_TOKENS, D)
PASSAGES = drawn(2, LENGTHS.sum(), D)
KINDS = {
    "simple": Simple(0.5),
    "trainable": Trainable(projections(3, 16)),
    "causal": Causal(projections(4, 16)),
    "multihead": MultiHead(4, projections(5, 16, 16), drawn(6, 16, D) / 4),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def one_by_one():
    return np.split(PASSAGES, np.cumsum(LENGTHS)[:-1])


@dataclass
class Plain:
    """States as they are."""

    states: np.ndarray
    lengths: np.ndarray

    def products(self, query):
        return query @ self.states.T


def attended(kind, passages=PASSAGES, lengths=LENGTHS, query=QUERY):
    return kind.attend(query, Plain(passages, np.asarray(lengths)))


# By hand


def test_one_token_of_two():
    # q = (1, 0) sees (.6, .8) and (0, 1): s = .6 and 0, and at temperature .6 the shares are as e to 1.
    states = np.array([[0.6, 0.8], [0, 1]], np.float32)
    found = attended(Simple(0.6), states, [2], np.array([[1, 0]], np.float32))
    share = np.e / (np.e + 1)
    np.testing.assert_allclose(found.weights[0], [share, 1 - share], rtol=1e-6)
    np.testing.assert_allclose(found.scores, [[0.6 * share]], rtol=1e-6)


def test_without_warmth_the_best_token_takes_all():
    found = attended(Simple(1e-4))
    best = [[(QUERY @ passage.T)[i].max() for i in range(QUERY_TOKENS)] for passage in one_by_one()]
    np.testing.assert_allclose(found.scores, best, rtol=1e-5)


def test_what_a_causal_token_spends_on_the_query_is_lost():
    # All products are 0, so attention is even: over both tokens of the passage, and 1 + i of the query.
    learned = Projections(
        np.zeros((D, 4), np.float32), np.zeros((D, 4), np.float32), np.eye(D, dtype=np.float32)
    )
    found = attended(Causal(learned), PASSAGES[:2], [2], QUERY[:2])
    np.testing.assert_allclose(found.weights, [[1 / 3, 1 / 3], [1 / 4, 1 / 4]], rtol=1e-6)
    even = QUERY[:2] @ PASSAGES[:2].T
    np.testing.assert_allclose(found.scores[0], [even[0].sum() / 3, even[1].sum() / 4], rtol=1e-5)


# Against PyTorch: a token's score is the product of its state with what attention puts out for it


def test_simple_is_scaled_dot_product_attention(torch):
    for place, passage in enumerate(one_by_one()):
        query, keys = torch.tensor(QUERY)[None], torch.tensor(passage)[None]
        out = torch.nn.functional.scaled_dot_product_attention(query, keys, keys, scale=1 / 0.5)[0].numpy()
        np.testing.assert_allclose(attended(KINDS["simple"]).scores[place], (QUERY * out).sum(1), atol=1e-5)


def test_trainable_is_scaled_dot_product_attention(torch):
    learned = KINDS["trainable"].learned
    for place, passage in enumerate(one_by_one()):
        asked, keys, values = (
            torch.tensor(states @ matrix)[None]
            for states, matrix in ((QUERY, learned.query), (passage, learned.key), (passage, learned.value))
        )
        out = torch.nn.functional.scaled_dot_product_attention(asked, keys, values)[0].numpy()
        np.testing.assert_allclose(
            attended(KINDS["trainable"]).scores[place], (QUERY * out).sum(1), atol=1e-5
        )


def test_causal_is_causal_attention_over_passage_and_query(torch):
    learned = KINDS["causal"].learned
    for place, passage in enumerate(one_by_one()):
        sequence = np.concatenate([passage, QUERY])
        # The query's own tokens are worth nothing.
        values = np.concatenate([passage @ learned.value, np.zeros((QUERY_TOKENS, D), np.float32)])
        asked, keys, worth = (
            torch.tensor(part)[None] for part in (sequence @ learned.query, sequence @ learned.key, values)
        )
        out = torch.nn.functional.scaled_dot_product_attention(asked, keys, worth, is_causal=True)[0].numpy()
        expected = (QUERY * out[len(passage) :]).sum(1)
        np.testing.assert_allclose(attended(KINDS["causal"]).scores[place], expected, atol=1e-5)


def test_multihead_is_multihead_attention(torch):
    heads = 4
    learned = projections(7, D)
    output = drawn(8, D, D) / 5
    theirs = torch.nn.MultiheadAttention(D, heads, bias=False, batch_first=True)
    with torch.no_grad():
        stacked = np.concatenate([learned.query, learned.key, learned.value], axis=1).T
        theirs.in_proj_weight.copy_(torch.tensor(stacked))
        theirs.out_proj.weight.copy_(torch.tensor(output.T))
        found = attended(MultiHead(heads, learned, output))
        for place, passage in enumerate(one_by_one()):
            keys = torch.tensor(passage)[None]
            out, weights = theirs(torch.tensor(QUERY)[None], keys, keys)
            np.testing.assert_allclose(found.scores[place], (QUERY * out[0].numpy()).sum(1), atol=1e-5)
            ours = found.of_passage(place).weights
            np.testing.assert_allclose(ours, weights[0].numpy(), atol=1e-5)


# What all kinds promise


def test_company_changes_nothing(kind):
    together = attended(kind)
    for place, passage in enumerate(one_by_one()):
        alone = attended(kind, passage, [len(passage)])
        for name in ("weights", "carried", "scores"):
            ours = getattr(together.of_passage(place), name)
            np.testing.assert_allclose(ours, getattr(alone, name), rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(together.scores[place], alone.scores[0], rtol=1e-6, atol=1e-6)


def test_a_passage_without_tokens_scores_nothing_and_changes_nothing(kind):
    with_gaps = attended(kind, lengths=[0, *LENGTHS[:2], 0, 0, *LENGTHS[2:], 0])
    assert not with_gaps.scores[[0, 3, 4, 7]].any()
    np.testing.assert_array_equal(with_gaps.scores[[1, 2, 5, 6]], attended(kind).scores)
    assert with_gaps.of_passage(3).weights.shape == (QUERY_TOKENS, 0)


def test_a_token_that_resembles_nothing_is_still_better_than_no_token(kind):
    """All similarities are negative: padding that counted as 0 would win."""
    away = -np.abs(PASSAGES)
    alone = attended(kind, away[:1], [1], np.abs(QUERY))
    beside = attended(kind, away[:13], [1, 12], np.abs(QUERY))
    np.testing.assert_allclose(beside.scores[0], alone.scores[0], atol=1e-6)
    if isinstance(kind, Simple):
        assert (beside.scores < 0).all()


def test_the_order_of_passage_tokens_does_not_matter(kind):
    passage = one_by_one()[2]
    order = np.random.default_rng(9).permutation(len(passage))
    straight, mixed = attended(kind, passage, [12]), attended(kind, passage[order], [12])
    np.testing.assert_allclose(mixed.scores, straight.scores, atol=1e-5)
    np.testing.assert_allclose(mixed.weights[:, np.argsort(order)], straight.weights, atol=1e-6)


def test_shares_are_shares(kind):
    found = attended(kind)
    assert (found.weights >= 0).all()
    sums = np.array([found.of_passage(place).weights.sum(axis=1) for place in range(len(LENGTHS))])
    assert (sums < 1).all() if isinstance(kind, Causal) else np.allclose(sums, 1, atol=1e-6)
    assert found.weights.dtype == found.carried.dtype == found.scores.dtype == np.float32


def test_no_candidates_and_no_tokens_are_no_scores(kind):
    nothing = attended(kind, np.empty((0, D), np.float32), np.empty(0, np.int64))
    assert nothing.scores.shape == (0, QUERY_TOKENS)
    silent = attended(kind, query=np.empty((0, D), np.float32))
    assert silent.scores.shape == (4, 0)
