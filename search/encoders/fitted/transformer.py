"""A small Transformer encoder in NumPy: positions, attention of several heads, residuals, layer norm.

Vaswani et al., "Attention is all you need", NIPS 2017: 3.1 ``LayerNorm(x + Sublayer(x))``; 3.2.1
``softmax(Q K^T / sqrt(d_k)) V``; 3.2.2 heads; 3.3 ``max(0, x W_1 + b_1) W_2 + b_2``; 3.4 embeddings times
``sqrt(d)``; 3.5 ``PE(p, 2i) = sin(p / 10000^(2i/d))`` and ``PE(p, 2i+1)`` its cosine.
Layer norm: Ba, Kiros and Hinton, 2016, equation 3.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from search.arrays import States, Vector
from search.encoders.fitted.pooling import PooledEncoder
from search.encoders.fitted.tensors import Weights, read_weights
from search.encoders.fitted.vocabulary import Vocabulary
from search.text.analyzer import Analyzer

EPSILON = 1e-5
_FILE = "transformer.json"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is fixed before a Transformer learns."""

    layers: int
    heads: int
    positions: bool = True
    """Without them, words in another order encode alike."""
    causal: bool = False
    """Whether a word sees only itself and those before it."""

    def write(self, folder: Path) -> None:
        """Write to a file of ``folder``."""
        (folder / _FILE).write_text(json.dumps(asdict(self)), "utf-8")

    @staticmethod
    def read(folder: Path) -> "Shape":
        """Read what ``write`` wrote."""
        return Shape(**json.loads((folder / _FILE).read_bytes()))


def sinusoids(length: int, dimension: int) -> States:
    """Return the positions ``(length, dimension)`` of section 3.5."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, dimension, 2) / dimension)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, dimension).astype(np.float32)


def softmax(scores: States) -> States:
    """Return ``e^x`` over its sum along the last axis."""
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares: States = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def layer_norm(x: States, gain: Vector, bias: Vector) -> States:
    """Return each row less its mean, over its standard deviation, times ``gain`` plus ``bias``."""
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    normed: States = centred / np.sqrt(variance + EPSILON) * gain + bias
    return normed


def self_attention(x: States, weights: Weights, heads: int, visible: NDArray[np.bool_]) -> States:
    """Return what each of ``(n, d)`` gathers from those it sees, ``visible (n, n)``.

    ``qkv (d, 3d)`` and ``qkv_bias (3d,)`` make queries, keys and values; ``out (d, d)`` and ``out_bias (d,)``
    join the heads.
    """
    length, dimension = x.shape
    mixed = x @ weights["qkv"] + weights["qkv_bias"]
    query, key, value = mixed.reshape(length, 3, heads, dimension // heads).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(dimension // heads))
    gathered = softmax(np.where(visible, scores, -np.inf)) @ value
    joined: States = gathered.transpose(1, 0, 2).reshape(length, dimension)
    return np.asarray(joined @ weights["out"] + weights["out_bias"], dtype=np.float32)


def block(x: States, weights: Weights, heads: int, visible: NDArray[np.bool_]) -> States:
    """Return ``(n, d)`` after one layer: attention, then a net for each word by itself."""
    x = layer_norm(x + self_attention(x, weights, heads, visible), weights["gain_1"], weights["bias_1"])
    inner = np.maximum(0, x @ weights["up"] + weights["up_bias"])
    return layer_norm(
        x + inner @ weights["down"] + weights["down_bias"], weights["gain_2"], weights["bias_2"]
    )


def transformer(shape: Shape, layers: list[Weights], words: States) -> States:
    """Return hidden states ``(n, d)`` of word vectors ``(n, d)``."""
    length, dimension = words.shape
    x: States = words * np.sqrt(np.float32(dimension))
    if shape.positions:
        x = x + sinusoids(length, dimension)
    visible = np.ones((length, length), dtype=bool)
    if shape.causal:
        visible = np.tril(visible)
    for weights in layers:
        x = block(x, weights, shape.heads, visible)
    return x


def layer_weights(weights: Weights, layer: int) -> Weights:
    """Return the arrays of one layer by their names in ``block``."""
    prefix = f"layer{layer}."
    return {name[len(prefix) :]: array for name, array in weights.items() if name.startswith(prefix)}


def open_transformer(folder: Path, analyzer: Analyzer) -> PooledEncoder:
    """Open what ``fit_transformer`` wrote."""
    weights, shape = read_weights(folder), Shape.read(folder)
    layers = [layer_weights(weights, layer) for layer in range(shape.layers)]
    vocabulary = Vocabulary.read(folder)
    return PooledEncoder(vocabulary, weights, lambda words: transformer(shape, layers, words), analyzer)
