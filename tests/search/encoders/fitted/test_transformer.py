import numpy as np
import pytest
import torch

from search.encoders.fitted.transformer import (
    Shape,
    layer_norm,
    layer_weights,
    open_transformer,
    self_attention,
    sinusoids,
    transformer,
)
from search.encoders.fitted.transformer_training import Transformer, fit_transformer, transformer_weights


def made(shape, dimension=8):
    """Return a Transformer of torch with drawn parameters, and the same for NumPy."""
    torch.manual_seed(5)
    net = Transformer(shape, dimension).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(std=0.4)
    weights = {name: tensor.numpy() for name, tensor in transformer_weights(net).items()}
    return net, [layer_weights(weights, layer) for layer in range(shape.layers)]


def words(length, dimension=8):
    return np.random.default_rng(length).normal(size=(length, dimension)).astype(np.float32)


def test_positions_by_hand():
    # d = 4: angles p and p / 100.
    np.testing.assert_allclose(
        sinusoids(3, 4),
        [
            [0.0, 1.0, 0.0, 1.0],
            [0.84147098, 0.54030231, 0.00999983, 0.99995000],
            [0.90929743, -0.41614684, 0.01999867, 0.99980001],
        ],
        atol=1e-7,
    )


def test_layer_norm_by_hand():
    gain, bias = np.array([1.0, 2.0], np.float32), np.array([0.0, 1.0], np.float32)
    found = layer_norm(np.array([[1.0, 5.0]], np.float32), gain, bias)
    # mean 3, deviation 2: -1 and 1
    np.testing.assert_allclose(found, [[-1.0, 3.0]], atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_attention_is_that_of_torch(causal):
    net, layers = made(Shape(1, 2))
    x = words(9)
    visible = np.tril(np.ones((9, 9), bool)) if causal else np.ones((9, 9), bool)
    attention = net.layers[0].self_attn
    rows = torch.from_numpy(x)[None]
    with torch.no_grad():
        expected = attention(rows, rows, rows, attn_mask=torch.from_numpy(~visible))[0][0].numpy()
    np.testing.assert_allclose(self_attention(x, layers[0], 2, visible), expected, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("positions", [False, True])
def test_states_are_those_of_torch(causal, positions):
    shape = Shape(2, 4, positions, causal)
    net, layers = made(shape)
    x = words(11)
    padded = torch.cat([torch.from_numpy(x), torch.ones(3, 8)])[None]
    with torch.no_grad():
        expected = net(padded, torch.tensor([11]))[0, :11].numpy()
    np.testing.assert_allclose(transformer(shape, layers, x), expected, atol=1e-5)


@pytest.mark.parametrize("causal", [False, True])
def test_a_causal_mask_never_leaks(causal):
    shape = Shape(2, 2, causal=causal)
    _, layers = made(shape)
    x = words(12)
    states = transformer(shape, layers, x)
    for i in range(11):
        changed = x.copy()
        changed[i + 1] = 7.0
        kept = transformer(shape, layers, changed)[: i + 1]
        assert (kept.tobytes() == states[: i + 1].tobytes()) is causal


def test_order_counts_only_with_positions():
    me, like, you = words(3)
    for positions in (False, True):
        shape = Shape(2, 2, positions)
        _, layers = made(shape)
        one = transformer(shape, layers, np.stack([me, like, you])).mean(axis=0)
        other = transformer(shape, layers, np.stack([you, like, me])).mean(axis=0)
        assert np.allclose(one, other, atol=1e-5) is not positions


@pytest.mark.parametrize("positions", [False, True])
def test_who_likes_whom_counts_only_with_positions(positions, fit_of, passages, analyzer):
    told = [passages[0], *(type(passages[0])(99, "", text) for text in ("我喜欢你", "你喜欢我"))]
    fit = fit_of(told)
    fit_transformer(fit, Shape(1, 4, positions))
    one, other = open_transformer(fit.output, analyzer).encode(["我喜欢你", "你喜欢我"], "query")
    assert np.allclose(one, other, atol=1e-6) is not positions


def test_a_shape_is_written_with_its_weights(fit_of, passages, analyzer):
    fit = fit_of(passages[:3])
    shape = Shape(2, 2, positions=False, causal=True)
    fit_transformer(fit, shape)
    assert Shape.read(fit.output) == shape
    assert open_transformer(fit.output, analyzer).encode(["panda"], "query").any()
