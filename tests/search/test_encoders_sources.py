"""What is taken over from a sentence-transformers model, and what is refused in one sentence."""

import json
import shutil
from importlib import import_module

import pytest

from search.encoders.names import (
    DEFAULT_ENCODER,
    SOURCES,
    check_name,
    display_name,
    folder_name,
    source_target,
)
from search.encoders.packages import minilm_folder
from search.errors import ModelRefused, ModelUnavailable, UnknownName

# torch and sentence-transformers warn of their own future when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def source_hub():
    return import_module("search.encoders.source_hub")


@pytest.fixture
def folder(tmp_path):
    """A copy of all-MiniLM-L6-v2 whose small files may be changed."""
    copy = tmp_path / "own-model"
    shutil.copytree(minilm_folder(), copy, ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").symlink_to(minilm_folder() / "model.safetensors")
    return copy


def change(file, **values):
    content = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(content | values), "utf-8")


def set_pooling(folder, mode):
    modes = {f"pooling_mode_{name}": False for name in ("cls_token", "mean_tokens", "max_tokens")}
    change(folder / "1_Pooling" / "config.json", **modes | {f"pooling_mode_{mode}": True})


def test_a_model_is_taken_over_as_it_says(source_hub, folder):
    source = source_hub.from_hub_or_folder(str(folder))
    assert (source.pooling, source.begin_ids, source.end_ids) == ("mean", [101], [102])
    assert source.sequence_tokens == 256
    assert source.prompts == {"query": "", "passage": ""}
    # Its vocabulary spells hardly any Chinese character.
    assert source.languages == ("en",)


def test_cls_pooling_is_taken_over(source_hub, folder):
    set_pooling(folder, "cls_token")
    assert source_hub.from_hub_or_folder(str(folder)).pooling == "cls"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"query": "q: ", "document": "d: "}, {"query": "q: ", "passage": "d: "}),
        ({"query": "find: ", "passage": "p: "}, {"query": "find: ", "passage": "p: "}),
        ({"query": "find: "}, {"query": "find: ", "passage": ""}),
    ],
)
def test_a_models_own_prompts_are_used(source_hub, folder, own, expected):
    change(folder / "config_sentence_transformers.json", prompts=own)
    assert source_hub.from_hub_or_folder(str(folder)).prompts == expected


def test_a_default_prompt_stands_for_both_sides(source_hub, folder):
    change(folder / "config_sentence_transformers.json", prompts={"any": "text: "}, default_prompt_name="any")
    assert source_hub.from_hub_or_folder(str(folder)).prompts == {"query": "text: ", "passage": "text: "}


@pytest.mark.parametrize("name", ["my-e5-small", "e5_base", "multilingual-e5-large"])
def test_the_e5_family_has_its_prompts_by_name(source_hub, folder, name):
    renamed = folder.rename(folder.with_name(name))
    assert source_hub.from_hub_or_folder(str(renamed)).prompts == {"query": "query: ", "passage": "passage: "}


def test_max_pooling_is_refused(source_hub, folder):
    set_pooling(folder, "max_tokens")
    with pytest.raises(ModelRefused, match="own-model pools by max"):
        source_hub.from_hub_or_folder(str(folder))


def test_vectors_that_are_not_compared_by_cosine_are_refused(source_hub, folder):
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    (folder / "modules.json").write_text(json.dumps(modules[:2]), "utf-8")
    assert source_hub.from_hub_or_folder(str(folder)).pooling == "mean"
    change(folder / "config_sentence_transformers.json", similarity_fn_name="dot")
    with pytest.raises(ModelRefused, match="by dot; only cosine is served"):
        source_hub.from_hub_or_folder(str(folder))


def test_another_chain_of_modules_is_refused(source_hub, folder):
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules.insert(2, {**modules[2], "idx": 2, "name": "again"})
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    with pytest.raises(ModelRefused, match="made of Transformer, Pooling, Normalize, Normalize"):
        source_hub.from_hub_or_folder(str(folder))


def test_an_incomplete_folder_is_refused_without_its_path(source_hub, folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelRefused, match="own-model is there but could not be loaded") as refusal:
        source_hub.from_hub_or_folder(str(folder))
    assert str(folder.parent) not in str(refusal.value)


def test_a_hub_out_of_reach_is_said_in_one_sentence(source_hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelUnavailable, match="the model hub cannot be reached; check the connection"):
        source_hub.from_hub_or_folder("nobody/no-such-model")


def test_names_and_what_reads_them(folder):
    assert DEFAULT_ENCODER in SOURCES
    assert source_target("minilm-en") == "search.encoders.source_hub:minilm_from_package"
    assert (
        source_target("a/b") == source_target(str(folder)) == "search.encoders.source_hub:from_hub_or_folder"
    )
    assert display_name(str(folder)) == "own-model"
    assert display_name("a/b") == "a/b"


@pytest.mark.parametrize("name", ["", "telepathy", "a/b/c", "../models", "-/ b", "http://x/y"])
def test_what_can_be_no_model_is_unknown(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # whatever folders there are beside the tests
    with pytest.raises(UnknownName, match="choose one of: minilm-en, multilingual-e5-small") as error:
        check_name(name)
    assert error.value.details == {"known": ["minilm-en", "multilingual-e5-small"]}


def test_folders_of_prepared_models_are_told_apart(folder, tmp_path):
    assert folder_name("minilm-en") == "minilm-en"
    other = tmp_path / "other" / "own-model"
    other.mkdir(parents=True)
    names = [folder_name(name) for name in ("a/b", "a/B", "a-b/c", "a/b-c", str(folder), str(other))]
    assert len({name.lower() for name in names}) == len(names)
    assert folder_name("BAAI/bge-small-zh-v1.5").startswith("BAAI-bge-small-zh-v1.5-")
    assert all("/" not in name and not name.startswith(".") for name in names)
