"""Trains the Transformer of ``transformer.py`` on pairs; the layers are torch's own.

Rows of a layer norm are eleven times as long as a word's vector, so they have a ``reach``: nDCG@10 .377
instead of .346 on English abstracts, .630 instead of .561 on Chinese pages.
"""

import torch
from torch import nn

from search.encoders.fitted.base import Fit
from search.encoders.fitted.contrast_training import (
    DIMENSION,
    PooledNetwork,
    fit_contrast,
    ground,
    pooled_weights,
)
from search.encoders.fitted.loop_training import Plan, seed_everything
from search.encoders.fitted.tensors import write_weights
from search.encoders.fitted.transformer import Shape, sinusoids

PLAN = Plan(epochs=8, rate=1e-3, decay=1e-2, batch=128, patience=1, most=2_500)
SHAPE = Shape(layers=1, heads=4)
REACH = 0.5


class Transformer(nn.Module):
    """Post-norm encoder layers over scaled word vectors and sinusoidal positions."""

    def __init__(self, shape: Shape, dimension: int = DIMENSION) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(dimension, shape.heads, 2 * dimension, dropout=0.1, batch_first=True)
            for _ in range(shape.layers)
        )

    def forward(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return ``(b, n, d)`` of word vectors ``(b, n, d)``; those past each length mean nothing."""
        _, length, dimension = words.shape
        x = words * dimension**0.5
        if self.shape.positions:
            x = x + torch.from_numpy(sinusoids(length, dimension))
        past = torch.arange(length) >= lengths[:, None]
        hidden = torch.ones(length, length, dtype=torch.bool).triu(1) if self.shape.causal else None
        for layer in self.layers:
            x = layer(x, src_mask=hidden, src_key_padding_mask=past)
        return x


def fit_transformer(fit: Fit, shape: Shape = SHAPE) -> None:
    """Train a Transformer of ``shape``."""
    begun = ground(fit)
    seed_everything(fit.seed)
    context = Transformer(shape)
    network = PooledNetwork(context, DIMENSION, begun.words, begun.importance, REACH)
    fit_contrast(fit, "transformer-scratch", begun, network, PLAN)
    begun.vocabulary.write(fit.output)
    shape.write(fit.output)
    write_weights(fit.output, {**pooled_weights(network, begun.passages), **transformer_weights(context)})


def transformer_weights(context: Transformer) -> dict[str, torch.Tensor]:
    """Return the parameters of all layers as ``transformer.py`` reads them."""
    return {
        f"layer{number}.{name}": tensor.detach()
        for number, layer in enumerate(context.layers)
        for name, tensor in _layer_weights(layer).items()
    }


def _layer_weights(layer: nn.TransformerEncoderLayer) -> dict[str, torch.Tensor]:
    attention = layer.self_attn
    return {
        "qkv": attention.in_proj_weight.T,
        "qkv_bias": attention.in_proj_bias,
        "out": attention.out_proj.weight.T,
        "out_bias": attention.out_proj.bias,
        "gain_1": layer.norm1.weight,
        "bias_1": layer.norm1.bias,
        "up": layer.linear1.weight.T,
        "up_bias": layer.linear1.bias,
        "down": layer.linear2.weight.T,
        "down_bias": layer.linear2.bias,
        "gain_2": layer.norm2.weight,
        "bias_2": layer.norm2.bias,
    }
