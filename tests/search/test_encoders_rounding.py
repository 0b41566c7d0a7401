"""Weights are rounded to the steps of int8 so that their errors cancel on typical inputs."""

from importlib import import_module

import numpy as np
import pytest

# torch and its exporter warn of their own future when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def rounding():
    return import_module("search.encoders.rounding")


@pytest.fixture(scope="module")
def export():
    return import_module("search.encoders.export")


@pytest.fixture
def model(bert):
    """A tamed BERT of two layers."""
    return import_module("search.encoders.taming").tamed(bert(words=100, layers=2), TEXTS)


TEXTS = [[2, 50, 90, 11, 3], [2, 7, 7, 8, 3], [2, 40, 3], [2, 31, 62, 93, 24, 55, 3]]


def test_the_error_of_one_weight_is_made_up_by_the_next_by_hand(torch, rounding):
    # A step is .64 / 64 = .01.  Inputs two and three are always equal, so only their sum counts,
    # 10.4 and 10.4 steps: rounding one by one makes 20 of 20.8, compensation 10 and 11.
    weight = torch.tensor([[0.64, 0.104, 0.104]])
    moments = torch.tensor([[1.0, 0, 0], [0, 1.0, 1.0], [0, 1.0, 1.0]], dtype=torch.float64)
    steps = rounding.rounded(weight, moments) / 0.01
    assert sorted(steps[0].round().tolist()) == [10, 11, 64]
    np.testing.assert_allclose(steps.numpy(), steps.round().numpy(), atol=1e-4)


def test_inputs_that_do_not_go_together_are_rounded_one_by_one(torch, rounding):
    torch.manual_seed(1)
    weight = torch.randn(4, 20)
    steps = weight.abs().amax(dim=1, keepdim=True) / 64
    nearest = (weight / steps).round() * steps
    rounded = rounding.rounded(weight, torch.eye(20, dtype=torch.float64))
    np.testing.assert_allclose(rounded.numpy(), nearest.numpy(), atol=1e-6)


def test_outputs_err_less_than_by_the_nearest_steps_across_blocks(torch, rounding):
    torch.manual_seed(2)
    inputs = torch.randn(2000, 40) @ torch.randn(40, 300) + 0.1 * torch.randn(2000, 300)
    weight = torch.randn(8, 300)
    assert weight.shape[1] > 2 * rounding.BLOCK
    steps = weight.abs().amax(dim=1, keepdim=True) / 64
    nearest = (weight / steps).round() * steps
    rounded = rounding.rounded(weight, (inputs.T @ inputs).double())
    lost = [float(((other - weight) @ inputs.T).square().mean()) for other in (rounded, nearest)]
    assert lost[0] < 0.2 * lost[1]


def test_rows_and_inputs_of_zeros_stay_zeros(torch, rounding):
    rounded = rounding.rounded(torch.tensor([[0.0, 0.0], [0.5, 0.0]]), torch.zeros(2, 2).double())
    assert rounded.tolist() == [[0, 0], [0.5, 0]]


def test_moments_are_of_what_the_weights_multiply(torch, rounding, model):
    layer = model.encoder.layer[0]
    seen = {}
    parts = {"smoothed": layer.intermediate.dense, "scaled": layer.output.dense}
    for name, part in parts.items():
        part.register_forward_pre_hook(
            lambda module, arguments, name=name: seen.setdefault(name, []).append(arguments[0][0])
        )
    moments = dict(rounding._second_moments(model, TEXTS))
    smoothed = torch.cat(seen["smoothed"]) * layer.intermediate.dense.inverse
    scaled = torch.cat(seen["scaled"])
    for part, inputs in ((parts["smoothed"], smoothed), (parts["scaled"], scaled)):
        np.testing.assert_allclose(moments[part].numpy(), (inputs.T @ inputs).numpy(), rtol=1e-3, atol=1e-4)


def test_the_quantiser_keeps_every_rounded_weight_and_values_stay_in_float(
    torch, rounding, export, model, tmp_path
):
    onnx = import_module("onnx")
    exact = model.encoder.layer[1].attention.self.value.weight.clone()
    rounding.round_weights(model, TEXTS)
    assert torch.equal(model.encoder.layer[1].attention.self.value.weight, exact)
    export.export_graph(model, tmp_path / "exported.onnx")
    export.quantise(tmp_path / "exported.onnx", tmp_path / "int8.onnx")
    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes = {node.name.removesuffix("_quant"): node for node in graph.node}
    for layer in range(2):
        home = f"/transformer/encoder/layer.{layer}"
        value = nodes[f"{home}/attention/self/value/MatMul"]
        assert value.op_type == "MatMul"
        assert tensors[value.input[1]].dtype == np.float32
        for path in (
            "attention/self/query",
            "attention/self/key",
            "attention/output/dense",
            "intermediate/dense",
            "output/dense",
        ):
            product = nodes[f"{home}/{path}/MatMul"]
            assert product.op_type == "MatMulInteger"
            stored = tensors[product.input[1]]
            part = model.get_submodule(f"encoder.layer.{layer}.{path.replace('/', '.')}")
            weight = part.weight.numpy().T
            steps = np.abs(weight).max(axis=0) / export.WEIGHT_STEPS
            np.testing.assert_array_equal(stored, np.rint(weight / steps))
            np.testing.assert_allclose(stored * steps, weight, atol=1e-6)


def test_names_of_value_projections(export):
    assert export.stays_float("encoder.layer.3.attention.self.value")
    assert export.stays_float("v_lin")
    assert not export.stays_float("encoder.layer.3.attention.self.query")
    assert not export.stays_float("encoder.value.dense")
