"""Preparation in its own process: once, whole or not at all, and in one voice when it fails."""

import json
import shutil
import subprocess
import sys

import psutil
import pytest

from search.artifacts import DamagedArtifact, seal
from search.child import Step
from search.encoders.catalog import open_encoder
from search.encoders.packages import minilm_folder
from search.encoders.preparation import prepare
from search.encoders.prepared import FORMAT, read_prepared
from search.errors import ModelRefused, ModelUnavailable, UnknownName

NAMES = [
    "reading the model",
    "exporting it to ONNX",
    "quantising it to int8",
    "checking its fidelity",
    "computing its means",
    "storing it",
]
STEPS = [Step(name, number, 6) for number, name in enumerate(NAMES, start=1)]
WAITING = Step("waiting for another process that prepares it", 0, 6)

OPENING = """
import json, sys
from pathlib import Path
from search.child import Step
from search.encoders.catalog import open_encoder

steps = []
encoder = open_encoder("minilm-en", Path(sys.argv[1]), lambda step: steps.append(step.name))
torch_was_imported = "torch" in sys.modules
print(json.dumps([encoder.fingerprint, encoder.centring, steps, torch_was_imported]))
"""


@pytest.fixture(scope="module")
def minilm(models_folder):
    return open_encoder("minilm-en", models_folder, lambda step: None)


@pytest.fixture
def prepared_copy(models_folder, minilm, tmp_path):
    """A models folder of this test's own, with minilm-en in it."""
    folder = tmp_path / "models" / "minilm-en"
    shutil.copytree(models_folder / "minilm-en", folder)
    return folder


def flip_a_byte(file):
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.slow
def test_two_processes_mend_a_damaged_model_once_and_get_the_same_one(prepared_copy, minilm):
    flip_a_byte(prepared_copy / "model.onnx.data")
    command = [sys.executable, "-c", OPENING, str(prepared_copy.parent)]
    # Neither library noise nor anything else may reach standard output.
    first, second = (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)
    )
    answers = [json.loads(process.communicate(timeout=240)[0]) for process in (first, second)]
    expected = [minilm.fingerprint, minilm.centring]
    assert [answer[:2] for answer in answers] == [expected, expected]
    assert not any(torch_was_imported for *_, torch_was_imported in answers)
    # Whoever came first prepared it, the other waited; nothing was left beside the result.
    assert sorted(answer[2] for answer in answers) == [NAMES, [WAITING.name]]
    left = {path.name for path in prepared_copy.parent.iterdir()}
    assert left == {"minilm-en", ".minilm-en.lock"}
    assert {path.stat().st_mode & 0o777 for path in prepared_copy.iterdir()} == {0o444}


@pytest.mark.parametrize(
    "name", ["model.onnx", "model.onnx.data", "tokenizer.json", "means.safetensors", "config.json"]
)
def test_every_file_is_proved_on_opening(prepared_copy, name):
    flip_a_byte(prepared_copy / name)
    with pytest.raises(DamagedArtifact, match=f"{name} is not what was written"):
        read_prepared(prepared_copy)
    (prepared_copy / name).unlink()
    with pytest.raises(DamagedArtifact, match=f"{name} is missing"):
        read_prepared(prepared_copy)


def test_settings_weights_and_tokenizer_make_the_fingerprint_and_means_do_not(prepared_copy):
    from_disk = read_prepared(prepared_copy)
    seen = {from_disk.fingerprint}
    for name in ("model.onnx", "tokenizer.json"):
        seen.add(resealed(prepared_copy, name, lambda data: data + b" ").fingerprint)
    longer = resealed(
        prepared_copy, "config.json", lambda data: data.replace(b'"max_tokens": 254', b'"max_tokens": 99')
    )
    seen.add(longer.fingerprint)
    assert len(seen) == 4
    other_means = resealed(prepared_copy, "means.safetensors", lambda data: data[:-1] + bytes([data[-1] ^ 1]))
    other_report = resealed(
        prepared_copy, "config.json", lambda data: data.replace(b'"texts": 90', b'"texts": 91')
    )
    assert other_means.fingerprint == other_report.fingerprint == longer.fingerprint
    assert other_means.centring != longer.centring
    assert other_report.centring == other_means.centring


def resealed(folder, name, change):
    for path in folder.iterdir():
        path.chmod(0o644)
    before = (folder / name).read_bytes()
    after = change(before)
    assert before != after
    (folder / name).write_bytes(after)
    seal(folder)
    return read_prepared(folder)


def test_another_format_is_not_taken(prepared_copy):
    with pytest.raises(DamagedArtifact, match=f"format 0 instead of {FORMAT}"):
        resealed(
            prepared_copy, "config.json", lambda data: data.replace(b'"format": %d' % FORMAT, b'"format": 0')
        )


def test_a_whole_model_that_was_made_in_another_way_is_kept(prepared_copy, minilm):
    # Collections of its data folder hold its vectors, and it could not be made again.
    other = resealed(prepared_copy, "model.onnx", lambda data: data + b" ")
    assert other.fingerprint != minilm.fingerprint
    steps = []
    assert prepare("minilm-en", prepared_copy.parent, steps.append).fingerprint == other.fingerprint
    assert steps == []


@pytest.mark.slow
def test_a_killed_preparation_is_told_and_leaves_no_trace_behind(tmp_path):
    """A local model with CLS pooling; the child is killed once, then it is prepared."""
    source = tmp_path / "own-model"
    shutil.copytree(minilm_folder(), source, ignore=shutil.ignore_patterns("*.safetensors"))
    (source / "model.safetensors").symlink_to(minilm_folder() / "model.safetensors")
    pooling = source / "1_Pooling" / "config.json"
    modes = json.loads(pooling.read_text("utf-8"))
    pooling.write_text(
        json.dumps(modes | {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True}), "utf-8"
    )
    models = tmp_path / "models"

    def kill_the_child(step):
        for child in preparing():
            child.kill()

    with pytest.raises(ModelUnavailable, match="own-model was killed by signal 9") as error:
        prepare(str(source), models, kill_the_child)
    assert str(tmp_path) not in str(error.value)
    assert [path for path in models.iterdir() if not path.name.startswith(".")] == []

    steps = []
    model = prepare(str(source), models, steps.append)
    assert steps == STEPS
    assert model.settings.pooling == "cls"
    assert (model.name, model.report["origin"]) == ("own-model", "a local folder")
    assert model.report["fidelity"]["centred"] > 0.97
    assert {path.name for path in models.iterdir()} == {model.folder.name, f".{model.folder.name}.lock"}


def preparing():
    """Return the children that prepare a model, and no other child of this process."""
    return [child for child in psutil.Process().children() if "search.encoders.prepare" in child.cmdline()]


def test_a_failure_of_the_child_arrives_as_the_same_class_and_sentence(tmp_path, monkeypatch):
    # The folder holds no model but a package; where the user stands, it must not be imported either.
    trap = tmp_path / "search"
    trap.mkdir()
    (trap / "__init__.py").write_text("raise RuntimeError('the wrong search')", "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelRefused) as refusal:
        prepare("search", tmp_path / "models", lambda step: None)
    assert str(refusal.value) == (
        "the model search is there but could not be loaded as a sentence-transformers model (ValueError); "
        "give the name or folder of one that is complete"
    )
    assert refusal.value.details == {"model": "search"}
    assert [path for path in (tmp_path / "models").iterdir() if path.is_dir()] == []


def test_an_unknown_name_starts_nothing(tmp_path):
    with pytest.raises(UnknownName, match="no encoder is called 'telepathy'"):
        prepare("telepathy", tmp_path / "models", lambda step: pytest.fail("nothing may start"))
    assert not (tmp_path / "models").exists()


def test_a_caller_that_gives_up_takes_the_child_along(tmp_path):
    children = []

    def give_up(step):
        children.extend(preparing())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare("minilm-en", tmp_path / "models", give_up)
    assert len(children) == 1
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])
