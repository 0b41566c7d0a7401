"""Fine-tuned models in a data folder: found by name, proved on opening, deleted when nobody has them."""

import shutil

import pytest

from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections
from search.encoders.prepared import read_prepared, write_prepared
from search.errors import ModelUnavailable, UnknownName
from search.model import SearchRequest


@pytest.fixture
def service(home):
    opened = Service.open(Settings.from_environment({}, home))
    yield opened
    opened.close()


@pytest.fixture
def model(service, models_folder, tmp_path):
    """What a fine-tuning hands over: a prepared model in a folder that nobody knows."""
    service.models.encoder("minilm-en")
    shutil.copytree(models_folder / "minilm-en", tmp_path / "output")
    service.settings.tuned_folder.mkdir(parents=True)
    return read_prepared(tmp_path / "output")


@pytest.fixture
def name(service, model):
    return service.models.tuned.add(7, model)


def folder_of(service, name):
    return service.settings.tuned_folder / name.removeprefix("tuned:")


def prepared_again(model, report):
    for name in ("checksums.json", "means.safetensors", "config.json"):
        (model.folder / name).unlink()
    write_prepared(model.folder, model.name, model.settings, model.means, report)
    return read_prepared(model.folder)


def sweep(service, *arguments):
    with service.database.read() as connection:
        service.models.tuned.sweep(connection, *arguments)


def test_a_model_is_opened_by_its_name_and_serves_a_collection(service, name, model):
    assert name == f"tuned:7-{model.fingerprint[:16]}"
    assert service.models.encoder(name).fingerprint == model.fingerprint
    service.create_collection("things", name)
    service.put_document("things", NewDocument("kettle", "The kettle was repaired.", "Kettle"))
    found = service.search("things", SearchRequest(query="who mends kettles", mode="dense"))
    assert [hit.key for hit in found.hits] == ["kettle"]
    with service.database.read() as connection:
        assert collections.get(connection, "things").encoder == name


def test_a_damaged_model_is_not_opened(service, name):
    file = folder_of(service, name) / "means.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelUnavailable, match=r"means\.safetensors is not what was written"):
        service.models.encoder(name)


def test_a_missing_model_is_not_made_of_its_name(service):
    with pytest.raises(ModelUnavailable, match="fine-tune the model once more"):
        service.models.encoder("tuned:7-0123456789abcdef")


def test_a_model_that_lies_under_the_name_of_another_is_not_opened(service, name):
    other = "tuned:7-0123456789abcdef"
    shutil.copytree(folder_of(service, name), folder_of(service, other))
    with pytest.raises(ModelUnavailable, match="another one than its name says"):
        service.models.encoder(other)


@pytest.mark.parametrize("hostile", ["tuned:../models/minilm-en", "tuned:7-../../0123456789", "tuned:"])
def test_a_hostile_name_reaches_no_path(service, name, hostile):
    with pytest.raises(UnknownName):
        service.create_collection("things", hostile)


def test_a_model_is_found_again_by_what_it_was_made_of(service, model):
    made = prepared_again(model, {"made_of": "a digest"})
    name = service.models.tuned.add(7, made)
    assert service.models.tuned.made_of(7, "a digest") == name
    assert service.models.tuned.made_of(7, "another") is None
    assert service.models.tuned.made_of(77, "a digest") is None
    (folder_of(service, name) / "model.onnx").unlink()
    assert service.models.tuned.made_of(7, "a digest") is None


def test_only_what_no_collection_has_is_swept(service, name, model):
    service.create_collection("things", name)
    folder = service.settings.tuned_folder
    living = service.create_collection("others", "minilm-en") and _id(service, "others")
    own = _id(service, "things")
    for left in (f"{own}-0123456789abcdef", f".tuning-{own}-0", f".tuning-{own}-1"):
        (folder / left).mkdir()
    (folder / "lost+found").mkdir()
    for elsewhere in (f"{living}-0123456789abcdef", f".tuning-{living}-0", f"{living + 99}-0123456789abcdef"):
        (folder / elsewhere).mkdir()
    sweep(service, own, {f".tuning-{own}-1"})
    assert {path.name for path in folder.iterdir()} == {
        folder_of(service, name).name,  # a collection has it
        f".tuning-{own}-1",  # it is to be kept
        f"{living}-0123456789abcdef",  # another collection may be about to take it
        f".tuning-{living}-0",
        "lost+found",
    }


def test_a_deleted_collection_leaves_no_model(service, model):
    service.create_collection("things", "minilm-en")
    name = service.models.tuned.add(_id(service, "things"), model)
    service.create_collection("readers", name)
    order = service.models.tuned.order(_id(service, "things"), 0)
    order.mkdir()
    service.delete_collection("things")
    assert folder_of(service, name).exists()  # another one reads by it
    assert not order.exists()
    service.delete_collection("readers")
    assert not folder_of(service, name).exists()


def _id(service, collection):
    with service.database.read() as connection:
        return collections.get(connection, collection).id
