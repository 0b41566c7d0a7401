"""An export is measured against its float32 original, and refused where it strays."""

from importlib import import_module

import numpy as np
import pytest

from search.encoders.fidelity import CENTRED_MIN, COSINE_MIN, Fidelity, measure, refuse_unfaithful
from search.encoders.names import DEFAULT_ENCODER
from search.encoders.preparation import prepare
from search.errors import ModelRefused

# torch and the exporter warn of their own future when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")


def rows(*pairs):
    return np.array(pairs, dtype=np.float32)


def test_cosines_by_hand():
    # One text is equal, one turned by 60 degrees: mean cosine (1 + 0.5) / 2.
    reference = rows([1, 0], [0, 1])
    served = rows([1, 0], [np.sin(np.pi / 3), np.cos(np.pi / 3)])
    fidelity = measure([(served, reference)])
    assert fidelity.texts == 2
    assert fidelity.cosine == pytest.approx(0.75)
    # Less their means, two rows are opposite: (1, -1) against (1 - sin 60, -cos 60), both ways round.
    left, right = np.array([1, -1]), np.array([1 - np.sin(np.pi / 3), -np.cos(np.pi / 3)])
    assert fidelity.centred == pytest.approx(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def test_each_kind_is_centred_by_itself():
    # The kinds lie far apart and are told apart perfectly; within each, the served rows are reversed.
    far, near = rows([10, 1], [10, -1]), rows([-10, 1], [-10, -1])
    kinds = [(far[::-1], far), (near[::-1], near)]
    assert measure(kinds).cosine > 0.97
    assert measure(kinds).centred == pytest.approx(-1)


@pytest.mark.parametrize(
    ("cosine", "centred"),
    [(COSINE_MIN - 1e-4, 1.0), (1.0, CENTRED_MIN - 1e-4), (float("nan"), 1.0), (1.0, float("nan"))],
)
def test_a_figure_below_its_threshold_is_refused(cosine, centred):
    with pytest.raises(ModelRefused) as refusal:
        refuse_unfaithful(Fidelity(180, cosine, centred))
    assert f"{centred:.4f} (at least {CENTRED_MIN})" in str(refusal.value)
    assert refusal.value.details["texts"] == 180


def test_figures_on_their_thresholds_pass():
    refuse_unfaithful(Fidelity(180, COSINE_MIN, CENTRED_MIN))


@pytest.fixture(scope="module")
def assembly():
    # As in preparation's own process: more threads wait for each other longer than they compute.
    import_module("torch").set_num_threads(1)
    return import_module("search.encoders.assembly")


@pytest.fixture(scope="module")
def minilm():
    source_hub = import_module("search.encoders.source_hub")
    return source_hub.minilm_from_package("minilm-en")


def assemble(assembly, source, tmp_path):
    steps = []
    for folder in ("made", "scratch"):
        (tmp_path / folder).mkdir()
    with pytest.raises(ModelRefused) as refusal:
        assembly.assemble("minilm-en", source, tmp_path / "made", tmp_path / "scratch", steps.append)
    assert steps[-1] == assembly.CHECKING
    assert not (tmp_path / "made" / "config.json").exists()
    return refusal.value.details


@pytest.mark.slow
def test_one_scale_for_a_whole_matrix_is_refused(assembly, minilm, tmp_path, monkeypatch):
    per_channel = assembly.quantise

    def per_tensor(graph, int8_graph):
        per_channel(graph, int8_graph, per_channel=False)

    monkeypatch.setattr(assembly, "quantise", per_tensor)
    figures = assemble(assembly, minilm, tmp_path)
    assert 0.85 < figures["centred"] < 0.95


@pytest.mark.slow
def test_a_damaged_export_is_refused(assembly, minilm, tmp_path, monkeypatch):
    export = assembly.export_graph

    def of_a_broken_layer(transformer, graph):
        transformer.encoder.layer[3].attention.output.dense.weight.data.zero_()
        export(transformer, graph)

    monkeypatch.setattr(assembly, "export_graph", of_a_broken_layer)
    figures = assemble(assembly, minilm, tmp_path)
    assert figures["centred"] < CENTRED_MIN


@pytest.mark.slow
def test_the_default_encoder_is_served_close_to_its_original(tmp_path):
    # Made here: a folder of prepared models may be of another version.
    figures = prepare(DEFAULT_ENCODER, tmp_path, lambda _: None).report["fidelity"]
    # With all products in int8 and weights rounded one by one: .9995 and .9979.
    assert figures["cosine"] > 0.9997
    assert figures["centred"] > 0.9986


def test_too_little_room_is_said_before_it_runs_out(assembly, tmp_path):
    failure = import_module("search.errors").StorageFull
    with pytest.raises(failure, match="needs 1600000000 MB of disk"):
        assembly.check_room(tmp_path, "big", 10**15)


def test_the_graph_takes_any_length_and_batch(models_folder):
    runtime = import_module("search.encoders.onnx_runtime")
    import_module("search.encoders.catalog").open_encoder("minilm-en", models_folder, print)
    session = runtime.open_session(models_folder / "minilm-en" / "model.onnx")
    for batch, length in [(1, 1), (3, 7), (2, 256)]:
        ids = np.random.default_rng(batch).integers(1000, 20_000, (batch, length))
        (states,) = session.run(["last_hidden_state"], {"input_ids": ids})
        assert states.shape == (batch, length, 384)
