"""Trains the recurrent encoders on pairs, and turns torch's parameters into those of ``recurrent.py``.

What they read around a word has no ``reach``: with 0.5 nDCG@10 is .364 as without on English abstracts, and
.582 instead of .656 on Chinese pages (rnn).
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

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

HIDDEN = 64
PLAN = Plan(epochs=8, rate=1e-3, decay=1e-2, batch=128, patience=1, most=2_500)


class Recurrent(nn.Module):
    """A net of ``torch.nn`` in both directions over texts of different lengths."""

    def __init__(self, kind: type[nn.RNNBase], dimension: int = DIMENSION, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.net = kind(dimension, hidden, batch_first=True, bidirectional=True)

    def forward(self, words: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return ``(b, n, 2h)`` of word vectors ``(b, n, d)``, zeros past each length."""
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.net(packed)[0], batch_first=True, total_length=words.shape[1])
        return states


def fit_rnn(fit: Fit) -> None:
    """Train the plain net."""
    _fit(fit, "rnn", nn.RNN)


def fit_lstm(fit: Fit) -> None:
    """Train the LSTM."""
    _fit(fit, "lstm", nn.LSTM)


def _fit(fit: Fit, kind: str, net: type[nn.RNNBase]) -> None:
    begun = ground(fit)
    seed_everything(fit.seed)
    context = Recurrent(net)
    network = PooledNetwork(context, 2 * HIDDEN, begun.words, begun.importance)
    fit_contrast(fit, kind, begun, network, PLAN)
    begun.vocabulary.write(fit.output)
    write_weights(
        fit.output,
        {**pooled_weights(network, begun.passages), **recurrent_weights(context.net.state_dict())},
    )


def recurrent_weights(parameters: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return ``input``, ``recurrent`` and ``bias`` of both directions, as ``recurrent.py`` reads them."""
    ways = ("", "_reverse")
    return {
        "input": torch.cat([parameters[f"weight_ih_l0{way}"] for way in ways]).T,
        "recurrent": torch.stack([parameters[f"weight_hh_l0{way}"].T for way in ways]),
        "bias": torch.cat([parameters[f"bias_ih_l0{way}"] + parameters[f"bias_hh_l0{way}"] for way in ways]),
    }
