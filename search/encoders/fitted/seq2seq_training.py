"""Trains encoder and decoder: a corrupted window of a passage goes in, the window itself is to come out.

Corruption as by Hill et al., NAACL 2016, section 3.1: words are left out, neighbours swapped.  The decoder is
taught by the right words before (Williams and Zipser, 1989: teacher forcing).  The softmax runs over the
words of the batch and a sample of others (Jean et al., ACL 2015, section 3), so that time does not grow
with the vocabulary.  The context alone has to tell the words of the window in any order as well (Zhao, Zhao
and Eskenazi, ACL 2017, section 3.3, bag-of-words loss), or a decoder with attention leaves it empty: nDCG@10
on English abstracts .15 instead of .21.  Word vectors and weights stay as they were, for the softmax would
pull them to itself (.15 instead of .18 without attention).  What is read around a word serves the decoder
more than search, so it has a short ``reach``: nDCG@10 with attention for 0.5 and 0.25 is .209 and .230 on
English abstracts, .293 and .328 on answers, .169 and .266 on Chinese pages.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from search.encoders.fitted.base import Fit
from search.encoders.fitted.contrast_training import (
    PooledNetwork,
    ground,
    padded,
    pooled_weights,
)
from search.encoders.fitted.loop_training import Plan, Rows, learn, seed_everything
from search.encoders.fitted.pairs import Numbers
from search.encoders.fitted.recurrent_training import HIDDEN, Recurrent, recurrent_weights
from search.encoders.fitted.tensors import write_weights

WINDOW = 32
LEFT_OUT = 0.3
SWAPPED = 0.2
SAMPLED = 1000
REACH = 0.25
PLAN = Plan(epochs=8, rate=1e-3, decay=1e-2, batch=64, patience=1, most=2_000)
_IGNORED = -100


class Decoder(nn.Module):
    """An LSTM over the words before, begun by a context; with or without attention on the encoder."""

    def __init__(self, terms: int, dimension: int, attention: bool) -> None:
        super().__init__()
        self.mark = nn.Parameter(torch.zeros(1, dimension).normal_(std=0.1))
        self.start = nn.Linear(dimension, 2 * dimension)
        self.net = nn.LSTM(dimension, dimension, batch_first=True)
        self.attention = nn.Linear(dimension, dimension, bias=False) if attention else None
        self.output = nn.Linear((2 if attention else 1) * dimension, dimension, bias=False)
        self.word_bias = nn.Parameter(torch.zeros(terms + 1))

    def forward(
        self, context: torch.Tensor, before: torch.Tensor, states: torch.Tensor, past: torch.Tensor
    ) -> torch.Tensor:
        """Return what words are compared with ``(b, m, d)``.

        Args:
            context: ``(b, d)``.
            before: vectors of the mark and the right words ``(b, m, d)``.
            states: of the encoder ``(b, n, d)``.
            past: which of them are past the end ``(b, n)``.
        """
        h, c = torch.tanh(self.start(context)).chunk(2, dim=1)
        hidden, _ = self.net(before, (h[None].contiguous(), c[None].contiguous()))
        if self.attention is not None:
            scores = self.attention(hidden) @ states.transpose(1, 2)
            shares = scores.masked_fill(past[:, None], float("-inf")).softmax(-1)
            hidden = torch.cat([hidden, shares @ states], dim=2)
        return torch.tanh(self.output(hidden))


class Network(nn.Module):
    """Encoder and decoder, which share the word vectors."""

    def __init__(self, encoder: PooledNetwork, attention: bool) -> None:
        super().__init__()
        self.encoder = encoder
        terms, dimension = encoder.words.weight.shape
        self.decoder = Decoder(terms, dimension, attention)
        self.bag = nn.Linear(dimension, dimension)

    def loss(self, corrupted: list[Numbers], right: list[Numbers], sample: torch.Tensor) -> torch.Tensor:
        """Return the mean cross-entropy of ``right`` and its ends, among all these words and ``sample``."""
        numbers, lengths = padded(corrupted)
        states = self.encoder.states(numbers, lengths)
        context = self.encoder.pool(states, numbers, lengths)
        words = torch.cat([self.encoder.words.weight, self.decoder.mark])
        mark = len(words) - 1
        before, _ = padded([[mark, *text] for text in right])
        past = torch.arange(numbers.shape[1]) >= lengths[:, None]
        compared = self.decoder(context, words[before], states, past)
        candidates, targets = _among([[*text, mark] for text in right], sample)
        bag = self.bag(context)[:, None].expand_as(compared)
        return sum(
            functional.cross_entropy(
                (told @ words[candidates].T + self.decoder.word_bias[candidates]).flatten(0, 1),
                targets.flatten(),
                ignore_index=_IGNORED,
            )
            for told in (compared, bag)
        )


def _among(right: list[Numbers], sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the numbers of all candidates, rising, and the place of each right one there ``(b, m)``."""
    numbers, lengths = padded(right)
    inside = torch.arange(numbers.shape[1]) < lengths[:, None]
    candidates = torch.cat([numbers[inside], sample]).unique()
    return candidates, torch.searchsorted(candidates, numbers).masked_fill(~inside, _IGNORED)


def fit_seq2seq(fit: Fit) -> None:
    """Train without attention: all that the decoder knows is in the context."""
    _fit(fit, "seq2seq", attention=False)


def fit_seq2seq_attention(fit: Fit) -> None:
    """Train with attention on the encoder's states."""
    _fit(fit, "seq2seq-attention", attention=True)


def _fit(fit: Fit, kind: str, attention: bool) -> None:
    begun = ground(fit)
    seed_everything(fit.seed)
    context = Recurrent(nn.LSTM)
    encoder = PooledNetwork(context, 2 * HIDDEN, begun.words, begun.importance, REACH)
    encoder.words.requires_grad_(False)
    encoder.importance.requires_grad_(False)
    network = Network(encoder, attention)
    passages = [passage.whole for passage in begun.passages]

    def loss(rows: Rows, generator: np.random.Generator) -> torch.Tensor:
        right = [_window(passages[row], generator) for row in rows]
        sample = torch.from_numpy(generator.integers(len(begun.vocabulary), size=SAMPLED))
        return network.loss([corrupt(text, generator) for text in right], right, sample)

    learn(fit, kind, network, loss, len(passages), PLAN)
    begun.vocabulary.write(fit.output)
    write_weights(
        fit.output,
        {
            **pooled_weights(encoder, begun.passages),
            **recurrent_weights(context.net.state_dict()),
            **decoder_weights(network.decoder),
        },
    )


def _window(text: Numbers, generator: np.random.Generator) -> Numbers:
    start = int(generator.integers(max(1, len(text) - WINDOW + 1)))
    return text[start : start + WINDOW]


def corrupt(text: Numbers, generator: np.random.Generator) -> Numbers:
    """Return ``text`` with words left out, at least one kept, and some neighbours swapped."""
    kept = [word for word in text if generator.random() >= LEFT_OUT] or text[:1]
    for place in range(0, len(kept) - 1, 2):
        if generator.random() < SWAPPED:
            kept[place], kept[place + 1] = kept[place + 1], kept[place]
    return kept


def decoder_weights(decoder: Decoder) -> dict[str, torch.Tensor]:
    """Return the parameters of a decoder as ``seq2seq.py`` reads them."""
    net = decoder.net
    weights = {
        "mark": decoder.mark,
        "start": decoder.start.weight.T,
        "start_bias": decoder.start.bias,
        "input": net.weight_ih_l0.T,
        "recurrent": net.weight_hh_l0.T,
        "bias": net.bias_ih_l0 + net.bias_hh_l0,
        "output": decoder.output.weight.T,
        "word_bias": decoder.word_bias,
    }
    if decoder.attention is not None:
        weights["attention"] = decoder.attention.weight.T
    return {f"decoder.{name}": tensor.detach() for name, tensor in weights.items()}
