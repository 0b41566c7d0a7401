import numpy as np
import pytest
import torch

from search.encoders.fitted.contrast_training import PooledNetwork, info_nce, padded, pooled_weights
from search.encoders.fitted.pairs import Lesson
from search.encoders.fitted.pooling import PooledEncoder, sif_weights
from search.encoders.fitted.recurrent import lstm
from search.encoders.fitted.recurrent_training import Recurrent, recurrent_weights
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
    }
    encoder = PooledEncoder(Vocabulary(["bamboo", "panda"]), weights, lambda words: words[:, :1], analyzer)
    # States (1, 2) and (0, 1); 1 and 2 times these are (1, 4), of length 4.123106; less the mean
    # (0.242536, 0.470143), of length 0.529010.
    found = encoder.encode(["bamboo and panda"], "query")[0]
    np.testing.assert_allclose(found, [0.458471, 0.888722], atol=1e-5)


def test_a_state_per_known_word_and_where_it_stands(analyzer):
    weights = {
        "words": np.array([[1.0, 0.0], [0.0, 1.0]], np.float32),
        "projection": np.zeros((2, 2), np.float32),
        "mean": np.zeros(2, np.float32),
    }
    encoder = PooledEncoder(Vocabulary(["bamboo", "熊猫"]), weights, lambda words: words, analyzer)
    text = "Ｂamboo, 熊貓 qq bamboo"
    states, spans = encoder.states(text)
    assert states.tolist() == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    assert [text[start:end] for start, end in spans] == ["Ｂamboo", "熊貓", "bamboo"]
    empty, nowhere = encoder.states("qq")
    assert (empty.shape, nowhere.shape) == ((0, 2), (0, 2))
    assert (empty.dtype, nowhere.dtype) == (np.float32, np.int32)


def test_info_nce_by_hand():
    same = torch.eye(2)
    # Scores 10 and 0: ln(1 + e^-10) each way.
    assert float(info_nce(same, same, torch.tensor([0, 1]))) == pytest.approx(np.log1p(np.exp(-10)), abs=1e-6)
    # Of one document: no negatives of each other, so nothing to lose.
    assert float(info_nce(same, same.flip(0), torch.tensor([0, 0]))) == 0.0


def test_what_serves_gives_the_vectors_of_the_network_that_learned(analyzer):
    torch.manual_seed(2)
    random = np.random.default_rng(2)
    words = random.normal(size=(3, 6)).astype(np.float32)
    context = Recurrent(torch.nn.LSTM, 6, 4)
    network = PooledNetwork(context, 8, words, np.array([0.1, 0.4, 0.9], np.float32)).eval()
    passages = [Lesson(0, [], [0, 1, 2, 2]), Lesson(1, [1], [0])]
    with torch.no_grad():
        network.projection.weight.normal_()
        expected = network(*padded([passage.whole for passage in passages])).numpy()
    tensors = {**pooled_weights(network, passages), **recurrent_weights(context.net.state_dict())}
    weights = {name: tensor.numpy() for name, tensor in tensors.items()}
    np.testing.assert_allclose(weights["mean"], expected.mean(axis=0), atol=1e-6)
    vocabulary = Vocabulary(["bamboo", "forest", "panda"])
    encoder = PooledEncoder(vocabulary, weights, lambda read: lstm(weights, read), analyzer)
    np.testing.assert_allclose(encoder.pooled([0, 1, 2, 2]), expected[0], atol=1e-5)
