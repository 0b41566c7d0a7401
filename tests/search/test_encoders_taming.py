"""Outliers are moved without changing what a model says; vocabularies are cut to a byte a weight."""

from importlib import import_module

import numpy as np
import pytest

# torch and its exporter warn of their own future when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def taming():
    return import_module("search.encoders.taming")


@pytest.fixture(scope="module")
def export():
    return import_module("search.encoders.export")


@pytest.fixture
def model(bert):
    """A BERT of two layers with one channel of the first layer norm a hundred times too large."""
    model = bert(words=12_000, layers=2)
    model.embeddings.LayerNorm.weight.data[7] = 100
    return model


TEXTS = [[2, 50, 900, 11_000, 3], [2, 7, 7, 8, 3], [2, 4000, 3]]


def states(torch, model, ids):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def test_a_tamed_model_gives_the_same_states(torch, taming, model):
    tamed = taming.tamed(model, TEXTS)
    for ids in [*TEXTS, [2, 1, 2, 3, 4, 5, 6, 3]]:
        np.testing.assert_allclose(states(torch, tamed, ids), states(torch, model, ids), atol=2e-5)


def test_the_original_is_left_as_it_was(torch, taming, model):
    before = states(torch, model, TEXTS[0])
    weight = model.encoder.layer[0].attention.self.query.weight.clone()
    tamed = taming.tamed(model, TEXTS)
    assert torch.equal(model.encoder.layer[0].attention.self.query.weight, weight)
    assert np.array_equal(states(torch, model, TEXTS[0]), before)
    assert not model._forward_pre_hooks
    assert tamed.embeddings.word_embeddings.weight is model.embeddings.word_embeddings.weight


def test_factors_by_hand(torch, taming):
    # Largest inputs 4 and 1, heaviest weights of all readers 1 and 4: roots of 4 and 1/4, whose mean is 1.25.
    weights = [torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([[-0.25, 4.0]])]
    factors = taming._factors(torch.tensor([4.0, 1.0]), weights)
    np.testing.assert_allclose(factors.numpy(), [2 / 1.25, 0.5 / 1.25])


def test_readers_of_one_input_share_their_factors_and_an_outlier_shrinks(torch, taming, model):
    attention = taming.tamed(model, TEXTS).encoder.layer[0].attention.self
    assert attention.query.inverse is attention.key.inverse is attention.value.inverse
    seen = []
    hook = model.encoder.layer[0].attention.self.query.register_forward_pre_hook(
        lambda module, arguments: seen.append(arguments[0])
    )
    states(torch, model, TEXTS[0])
    hook.remove()
    raw = seen[0][0].abs().amax(dim=0)
    smoothed = (seen[0][0] * attention.query.inverse).abs().amax(dim=0)
    assert raw.argmax() == 7
    assert raw[7] / raw.median() > 50
    assert smoothed[7] / smoothed.median() < 15


def test_each_token_has_its_own_scale_where_the_block_narrows(torch, taming):
    linear = torch.nn.Linear(6, 2)
    scaled = taming._TokenScaled(linear)
    inputs = torch.tensor([[[1000.0, 1, 2, 3, 4, 5], [0.001, 0, 0, 0, 0, -0.002], [0, 0, 0, 0, 0, 0]]])
    with torch.inference_mode():
        np.testing.assert_allclose(scaled(inputs).numpy(), linear(inputs).numpy(), rtol=1e-4, atol=1e-5)


def test_a_vocabulary_has_a_byte_a_weight_and_a_scale_a_row(torch, export):
    table = torch.tensor([[1.27, -0.01, 0.004], [-254.0, 127.0, 1.0], [0.0, 0.0, 0.0]])
    embedding = export._Int8Embedding(table)
    assert embedding.table.tolist() == [[127, -1, 0], [-127, 64, 0], [0, 0, 0]]
    rows = embedding(torch.tensor([[2, 1, 0]]))[0]
    np.testing.assert_allclose(rows.numpy(), [[0, 0, 0], [-254, 128, 0], [1.27, -0.01, 0]], atol=1e-6)


def test_only_vocabularies_are_cut(torch, export, model):
    before = states(torch, model, TEXTS[0])
    shrunk = export.with_int8_vocabulary(model)
    assert type(shrunk.embeddings.word_embeddings).__name__ == "_Int8Embedding"
    assert isinstance(shrunk.embeddings.position_embeddings, torch.nn.Embedding)
    np.testing.assert_allclose(states(torch, shrunk, TEXTS[0]), before, atol=0.1)
