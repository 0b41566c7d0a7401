import numpy as np
import pytest
import torch

from search.encoders.fitted.contrast_training import PooledNetwork, info_nce, padded, pooled_weights
from search.encoders.fitted.pairs import Lesson
from search.encoders.fitted.pooling import PooledEncoder
from search.encoders.fitted.recurrent import lstm
from search.encoders.fitted.recurrent_training import Recurrent, recurrent_weights
from search.encoders.fitted.sif import sif_weights
from search.encoders.fitted.vocabulary import Vocabulary


def test_weights_of_words_by_hand():
    # p = 0.75 and 0.25: 0.25 / 1 and 0.25 / 0.5
    assert sif_weights(np.array([3, 1]), 0.25).tolist() == [0.25, 0.5]


def test_a_vector_by_hand(analyzer):
    weights = {
        "words": np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
        "importance": np.array([1.0, 2.0], np.float32),
        "projection": np.array([[0.0, 2.0]], np.float32),
        "mean": np.array([0.0, 0.5], np.float32),
        "reach": np.array([0.5], np.float32),
    }
    encoder = PooledEncoder(Vocabulary(["bamboo", "panda"]), weights, lambda words: words[:, :1], analyzer)
    # Read around: (0, 2), cut to (0, 0.5), and (0, 0).  States (1, 0.5) and (0, 1); 1 and 2 times these are
    # (1, 2.5), of length 2.692582; less the mean (0.371391, 0.428477), of length 0.567031.
    found = encoder.encode(["bamboo and panda"], "query")[0]
    np.testing.assert_allclose(found, [0.654975, 0.755650], atol=1e-5)


def test_a_state_per_known_word_and_where_it_stands(analyzer):
    weights = {
        "words": np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
        "importance": np.array([1.0, 2.0], np.float32),
        "projection": np.zeros((2, 2), np.float32),
        "mean": np.zeros(2, np.float32),
    }
    encoder = PooledEncoder(Vocabulary(["bamboo", "熊猫"]), weights, lambda words: words, analyzer)
    text = "Ｂamboo, 熊貓 qq bamboo"
    _, (read, nothing) = encoder.encode_tokens([text, "qq"], "passage")
    assert read.states.tolist() == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert [text[start:end] for start, end in read.spans] == ["Ｂamboo", "熊貓", "bamboo"]
    assert (nothing.states.shape, nothing.spans.shape) == ((0, 2), (0, 2))
    assert (nothing.states.dtype, nothing.spans.dtype) == (np.float32, np.int32)


def test_info_nce_by_hand():
    same = torch.eye(2)
    # Scores 10 and 0: ln(1 + e^-10) each way.
    assert float(info_nce(same, same, torch.tensor([0, 1]))) == pytest.approx(np.log1p(np.exp(-10)), abs=1e-6)
    # Of one document: no negatives of each other, so nothing to lose.
    assert float(info_nce(same, same.flip(0), torch.tensor([0, 0]))) == 0.0


@pytest.mark.parametrize("reach", [None, 0.5])
def test_what_serves_gives_the_vectors_of_the_network_that_learned(analyzer, reach):
    torch.manual_seed(2)
    random = np.random.default_rng(2)
    words = random.normal(size=(3, 6)).astype(np.float32)
    context = Recurrent(torch.nn.LSTM, 6, 4)
    network = PooledNetwork(context, 8, words, np.array([0.1, 0.4, 0.9], np.float32), reach).eval()
    passages = [Lesson(0, [], [0, 1, 2, 2]), Lesson(1, [1], [0])]
    with torch.no_grad():
        network.projection.weight.normal_(std=0.3)
        expected = network(*padded([passage.whole for passage in passages])).numpy()
    tensors = {**pooled_weights(network, passages), **recurrent_weights(context.net.state_dict())}
    weights = {name: tensor.numpy() for name, tensor in tensors.items()}
    np.testing.assert_allclose(weights["mean"], expected.mean(axis=0), atol=1e-6)
    vocabulary = Vocabulary(["bamboo", "forest", "panda"])
    encoder = PooledEncoder(vocabulary, weights, lambda read: lstm(weights, read), analyzer)
    for passage, row in zip(passages, expected, strict=True):
        np.testing.assert_allclose(encoder.pooled(passage.whole), row, atol=1e-5)
