"""The fine-tuning of a Transformer: what it minimises, what it leaves alone, and that it is repeatable."""

from importlib import import_module

import numpy as np
import pytest

from search.encoders.names import check_name, tuned_folder_name, tuned_name
from search.encoders.tuning import TuningLesson, TuningPassage, forget_lessons, write_order
from search.errors import ModelRefused, UnknownName

# torch warns of its own future when it is imported.
pytestmark = pytest.mark.filterwarnings("ignore")

DOCUMENTS = 40
WORDS = 200


@pytest.fixture(scope="module")
def training(torch):
    return import_module("search.encoders.tuning_training")


@pytest.fixture
def source(bert):
    """A BERT of three layers that has learned nothing."""
    return import_module("search.encoders.source_model").SourceModel(
        transformer=bert(WORDS, layers=3),
        pooling="mean",
        prompts={"query": "", "passage": ""},
        begin_ids=[],
        end_ids=[],
        sequence_tokens=40,
        tokenizer_kind="tokenizers",
        tokenizer=b"",
        languages=("en",),
        origin="nowhere",
    )


def ids(text, role):
    return [int(word) for word in text.split()]


@pytest.fixture
def lessons(training):
    """Lessons by a rule: a document is asked for by three of its words, among many that all of them have."""
    generator = np.random.default_rng(3)
    passages, told = [], []
    for document in range(DOCUMENTS):
        own = generator.choice(np.arange(50, WORDS), 4, replace=False)
        common = generator.integers(1, 50, 12)
        words = generator.permutation(np.concatenate([own, common]))
        passages.append(TuningPassage(document, " ".join(map(str, words))))
        asked = " ".join(map(str, [*own[:3], *generator.integers(1, 50, 3)]))
        others = [int(each) for each in generator.permutation(DOCUMENTS) if each != document][:4]
        told.append(TuningLesson(asked, document, others, [document], document))
    return training.Lessons(passages, told, ids)


@pytest.fixture
def checkpoint(training, tmp_path):
    return training.Checkpoint(tmp_path / "upper.safetensors", "a digest")


@pytest.fixture
def plan(training, monkeypatch):
    """A plan by which a tiny model learns something."""
    faster = training.Plan(epochs=6, rate=3e-3, decay=0.01, batch=8, patience=6, most=40)
    monkeypatch.setattr(training, "PLAN", faster)
    monkeypatch.setattr(training, "TEMPERATURE", 0.1)
    return faster


def loss_of(torch, training, source, lessons):
    reader = training.Reader(source.transformer, source.pooling)
    with torch.no_grad():
        return float(lessons.loss(reader, np.arange(DOCUMENTS), np.random.default_rng(1)))


def tuned(training, source, lessons, checkpoint, progress=lambda done, total: None):
    training.tune(source, lessons, checkpoint, 7, progress)
    return {name: weight.numpy().tobytes() for name, weight in source.transformer.state_dict().items()}


def test_the_loss_is_that_of_the_answer_among_all_that_does_not_answer(torch, training, monkeypatch):
    monkeypatch.setattr(training, "TEMPERATURE", 0.5)
    asked = torch.eye(2)
    told = torch.tensor([[0.6, 0.8], [0.0, 1.0], [0.8, 0.6]])
    answering = torch.tensor([[True, False, False], [True, True, False]])
    first = -np.log(np.exp(1.2) / (np.exp(1.2) + np.exp(0) + np.exp(1.6)))
    second = -np.log(np.exp(2) / (np.exp(2) + np.exp(1.2)))  # the first answers it too and does not count
    assert float(training.info_nce(asked, told, answering)) == pytest.approx((first + second) / 2, abs=1e-6)


def test_vectors_are_those_of_each_text_alone(torch, training, source):
    reader = training.Reader(source.transformer, source.pooling)
    with torch.no_grad():
        together = reader.vectors([[5, 6], [7, 8, 9, 10]]).numpy()
        alone = reader.vectors([[5, 6]]).numpy()
        states = (
            source.transformer(input_ids=torch.tensor([[5, 6]])).last_hidden_state[0].numpy().mean(axis=0)
        )
    np.testing.assert_allclose(together[0], alone[0], atol=1e-5)
    np.testing.assert_allclose(alone[0], states / np.linalg.norm(states), atol=1e-5)


def test_it_learns_and_leaves_vocabulary_and_lower_layers_alone(
    torch, training, source, lessons, checkpoint, plan
):
    before = {name: weight.clone() for name, weight in source.transformer.state_dict().items()}
    loss = loss_of(torch, training, source, lessons)
    tuned(training, source, lessons, checkpoint)
    assert loss_of(torch, training, source, lessons) < 0.92 * loss
    after = source.transformer.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("encoder.layer.2.") for name in changed)
    assert not source.transformer.training
    assert source.transformer.embeddings.word_embeddings.weight.grad is None  # nor is time lost on it


def test_half_of_what_was_learned_is_kept(torch, training, source, lessons, checkpoint, plan, monkeypatch):
    name = "encoder.layer.2.output.dense.weight"
    before = source.transformer.state_dict()[name].clone()
    monkeypatch.setattr(training, "KEPT", 1.0)
    tuned(training, source, lessons, checkpoint)
    whole = source.transformer.state_dict()[name].clone()
    source.transformer.state_dict()[name].copy_(before)
    monkeypatch.setattr(training, "KEPT", 0.5)
    tuned(training, source, lessons, checkpoint)  # goes on from the end of the same training
    torch.testing.assert_close(source.transformer.state_dict()[name], (before + whole) / 2)


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(
    torch, training, source, lessons, plan, tmp_path
):
    before = {name: weight.clone() for name, weight in source.transformer.state_dict().items()}
    whole = tuned(training, source, lessons, training.Checkpoint(tmp_path / "whole.safetensors", "it"))
    source.transformer.load_state_dict(before)
    kept, steps = training.Checkpoint(tmp_path / "killed.safetensors", "it"), []

    def killed(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(training, source, lessons, kept, killed)
    source.transformer.load_state_dict(before)
    assert tuned(training, source, lessons, kept, lambda done, total: steps.append(done)) == whole
    assert steps[0] == 3


def test_a_model_without_layers_is_refused(torch, training):
    with pytest.raises(ModelRefused, match="no stack of layers"):
        training.UpperLayers(torch.nn.Linear(2, 2))


# The order


PASSAGES = [TuningPassage(1, "one"), TuningPassage(2, "two")]
LESSON = TuningLesson("which", 0, [1], [1], 1)


def test_what_the_result_depends_on_has_another_digest_and_no_checkpoint(tmp_path):
    digest = write_order(tmp_path, "base", 0, PASSAGES, [LESSON])
    kept = tmp_path / "checkpoints" / "upper.safetensors"
    kept.parent.mkdir()
    kept.write_bytes(b"kept")
    assert write_order(tmp_path, "base", 0, PASSAGES, [LESSON]) == digest
    assert kept.exists()
    for changed in (
        ("other", 0, PASSAGES, [LESSON]),
        ("base", 1, PASSAGES, [LESSON]),
        ("base", 0, [TuningPassage(1, "uno"), PASSAGES[1]], [LESSON]),
        ("base", 0, PASSAGES, [TuningLesson("what", 0, [1], [1], 1)]),
    ):
        assert write_order(tmp_path, *changed) != digest
        assert not kept.exists()


def test_texts_do_not_outlive_the_training(tmp_path):
    write_order(tmp_path, "base", 0, PASSAGES, [LESSON])
    forget_lessons(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tuning.json"]


# Names


def test_a_name_tells_its_folder():
    name = tuned_name(12, "0123456789abcdef" * 4)
    assert name == "tuned:12-0123456789abcdef"
    assert tuned_folder_name(name) == "12-0123456789abcdef"


@pytest.mark.parametrize(
    "name",
    [
        "tuned:",
        "tuned:1-0123456789abcde",
        "tuned:1-0123456789ABCDEF",
        "tuned:1-0123456789abcdef\n",
        "tuned:../../etc-0123456789abcdef",
        "tuned:1-0123456789abcdef/../..",
        "tuned:١-0123456789abcdef",
        "Tuned:1-0123456789abcdef",
    ],
)
def test_what_is_no_name_has_no_folder(name):
    assert tuned_folder_name(name) is None
    with pytest.raises(UnknownName):
        check_name(name)
