import dataclasses
from itertools import islice

import numpy as np
import pytest
import torch

from search.encoders.fitted import seq2seq_training
from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.seq2seq import Seq2Seq, decoder_step, open_seq2seq, output, start
from search.encoders.fitted.seq2seq_training import Decoder, corrupt, decoder_weights, fit_seq2seq
from search.encoders.fitted.vocabulary import Vocabulary

attention = pytest.mark.parametrize("attention", [False, True])


def made(attention, terms=9, dimension=6):
    """Return a drawn decoder of torch, its weights for NumPy, word vectors, context and states."""
    torch.manual_seed(8)
    decoder = Decoder(terms, dimension, attention).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_(std=0.7)
    weights = {name: tensor.numpy() for name, tensor in decoder_weights(decoder).items()}
    random = np.random.default_rng(8)
    words, context, states = (
        random.normal(size=shape).astype(np.float32) for shape in ((terms, 6), (6,), (5, 6))
    )
    return decoder, weights, words, context, states


def taught(decoder, words, context, states, before):
    """Return ``(m, d)`` of the torch decoder that is shown ``before``; three padded states must not count."""
    padded = np.vstack([states, np.ones((3, 6), np.float32)])
    with torch.no_grad():
        rows = torch.cat([torch.from_numpy(words), decoder.mark])[before]
        past = (torch.arange(8) >= 5)[None]
        return decoder(torch.from_numpy(context)[None], rows[None], torch.from_numpy(padded)[None], past)[
            0
        ].numpy()


@attention
def test_each_step_is_that_of_the_decoder_that_was_taught(attention):
    decoder, weights, words, context, states = made(attention)
    before = [9, 3, 1, 4, 1]
    expected = taught(decoder, words, context, states, before)
    parts = {name.removeprefix("decoder."): array for name, array in weights.items()}
    h, c = start(parts, context)
    for word, row in zip(before, expected, strict=True):
        h, c = decoder_step(parts, np.vstack([words, parts["mark"]])[word], h, c)
        np.testing.assert_allclose(output(parts, h, states), row, atol=1e-5)


@attention
def test_a_taught_decoder_sees_only_the_words_before(attention):
    decoder, _, words, context, states = made(attention)
    one = taught(decoder, words, context, states, [9, 3, 1, 4, 1])
    other = taught(decoder, words, context, states, [9, 3, 1, 5, 2])
    np.testing.assert_array_equal(one[:3], other[:3])
    assert not np.allclose(one[3:], other[3:])


@attention
def test_what_is_produced_is_what_torch_would_produce_from_its_own_words(attention, analyzer):
    decoder, weights, words, context, states = made(attention)
    encoder = Seq2Seq(Vocabulary([]), {"words": words, **weights}, analyzer)
    found = list(islice(encoder._produce(context, states), 6))
    expected, before = [], [9]
    for _ in range(6):
        compared = taught(decoder, words, context, states, before)[-1]
        candidates = np.vstack([words, weights["decoder.mark"]])
        word = int(np.argmax(candidates @ compared + weights["decoder.word_bias"]))
        if word == 9:
            break
        expected.append(word)
        before.append(word)
    assert found == expected
    assert found


def test_only_with_attention_the_states_count():
    for attends in (False, True):
        _, weights, _, context, states = made(attends)
        parts = {name.removeprefix("decoder."): array for name, array in weights.items()}
        assert np.allclose(output(parts, context, states), output(parts, context, -states)) is not attends


def test_corruption_leaves_out_and_swaps_but_adds_nothing():
    generator = np.random.default_rng(4)
    text = list(range(20))
    corrupted = [corrupt(text, generator) for _ in range(400)]
    assert all(len(set(words)) == len(words) and set(words) <= set(text) for words in corrupted)
    assert np.mean([len(words) for words in corrupted]) == pytest.approx(14, abs=0.5)
    swaps = [words[i] > words[i + 1] for words in corrupted for i in range(0, len(words) - 1, 2)]
    assert np.mean(swaps) == pytest.approx(0.2, abs=0.04)
    assert all(corrupt([5], generator) == [5] for _ in range(20))


@pytest.mark.slow
def test_a_passage_that_was_learned_is_rebuilt(fit_of, analyzer, monkeypatch):
    plan = dataclasses.replace(seq2seq_training.PLAN, epochs=150, rate=1e-2)
    monkeypatch.setattr(seq2seq_training, "PLAN", plan)
    texts = ["the panda eats bamboo", "steam engines pull trains", "大熊猫喜欢吃竹子"]
    fit = fit_of([LearningPassage(number, "", text) for number, text in enumerate(texts)])
    fit_seq2seq(fit)
    encoder = open_seq2seq(fit.output, analyzer)
    assert [encoder.rebuild(text) for text in texts] == [analyzer.terms(text) for text in texts]
    assert encoder.rebuild(texts[0], most=2) == analyzer.terms(texts[0])[:2]
    assert encoder.rebuild("qq") == []
