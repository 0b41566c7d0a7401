import numpy as np
import pytest
import torch

from search.encoders.fitted.autoencoder import Autoencoder, tfidf_entries
from search.encoders.fitted.vocabulary import Vocabulary, learn_vocabulary


def test_idf_by_hand():
    vocabulary, idf = learn_vocabulary([["b", "a", "a"], ["b"], ["b", "c"]], most=2)
    assert vocabulary.terms == ("a", "b")
    # ln(4/2) + 1 and ln(4/4) + 1
    assert idf.tolist() == pytest.approx([1.693147, 1.0])


def test_a_tfidf_row_by_hand():
    columns, values = tfidf_entries([2, 0, 2], np.array([1.0, 9.0, 2.0], dtype=np.float32))
    assert columns == [0, 2]
    # 1 and (1 + ln 2) * 2 = 3.386294, over their length 3.530863
    assert values.tolist() == pytest.approx([0.283217, 0.959056], abs=1e-6)


def test_a_vector_is_that_of_the_network_less_the_mean(analyzer):
    random = np.random.default_rng(4)
    weights = {
        "idf": np.array([1.0, 2.0, 3.0], dtype=np.float32),
        "weight": random.normal(size=(3, 5)).astype(np.float32),
        "bias": random.normal(size=5).astype(np.float32),
        "mean": random.normal(size=5).astype(np.float32),
    }
    encoder = Autoencoder(Vocabulary(["bamboo", "forest", "panda"]), weights, analyzer)
    layer = torch.nn.Linear(3, 5)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights["weight"].T))
        layer.bias.copy_(torch.from_numpy(weights["bias"]))
        row = torch.tensor([[1.0, 0.0, 3.0]]) / 10**0.5
        expected = torch.tanh(layer(row)).numpy()[0] - weights["mean"]
    found = encoder.encode(["panda bamboo"], "query")[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), atol=1e-6)
