import numpy as np
import pytest
import torch

from search.encoders.fitted.recurrent import lstm, lstm_step, rnn
from search.encoders.fitted.recurrent_training import recurrent_weights


def numpy_weights(net):
    return {name: tensor.detach().numpy() for name, tensor in recurrent_weights(net.state_dict()).items()}


@pytest.mark.parametrize(("ours", "theirs"), [(rnn, torch.nn.RNN), (lstm, torch.nn.LSTM)])
@pytest.mark.parametrize("length", [1, 2, 37])
def test_hidden_states_are_those_of_torch_in_both_directions(ours, theirs, length):
    torch.manual_seed(3)
    net = theirs(6, 5, batch_first=True, bidirectional=True)
    words = np.random.default_rng(length).normal(size=(length, 6)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(words)[None])[0][0].numpy()
    np.testing.assert_allclose(ours(numpy_weights(net), words), expected, atol=1e-5)


def test_an_lstm_step_by_hand():
    # Gates i, f, g, o before their functions; one unit, cell at 0.5.
    h, c = lstm_step(np.array([0.0, 1.0, 2.0, -1.0], dtype=np.float32), np.array([0.5], dtype=np.float32))
    # c = sigmoid(1) 0.5 + sigmoid(0) tanh(2) = 0.365529 + 0.482014
    # h = sigmoid(-1) tanh(c) = 0.268941 * 0.689786
    assert c.tolist() == pytest.approx([0.847543], abs=1e-5)
    assert h.tolist() == pytest.approx([0.185512], abs=1e-5)


def test_gates_far_from_zero_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        h, c = lstm_step(np.array([-500.0, 500.0, 0.0, 500.0], dtype=np.float32), np.ones(1, np.float32))
    assert c.tolist() == [1.0]
    assert h.tolist() == pytest.approx([np.tanh(1.0)])
