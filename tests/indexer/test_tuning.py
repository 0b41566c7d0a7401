"""The fine-tuning of a collection's Transformer through the real store and a real model."""

import json
import shutil
import subprocess
import sys

import pytest

from indexer.learning import Training
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections, tasks
from indexer.tuning import STEPS, tune
from search.encoders.prepared import read_prepared, write_prepared
from search.encoders.tuning import TUNING
from search.errors import InvalidInput, UnknownCollection
from search.evaluation.judged import Judged, Query

pytestmark = pytest.mark.slow  # a model is trained and prepared more than once

THINGS = "kettle lantern saddle anchor violin candle ladder mirror bucket hammer".split()
PLACES = "harbour orchard station chapel market valley".split()
FACTS = (
    "The {thing} in the {place} was repaired with copper wire.",
    "Children of the {place} drew the {thing} on a wall.",
    "A storm carried the {thing} away from the {place} in spring.",
)

SERVING = """
import sys
from indexer.service import Service
from indexer.settings import Settings
service = Service.open(Settings.from_environment({}, sys.argv[1]))
encoder = service.models.encoder(sys.argv[2])
print(encoder.encode(["who repaired the kettle"], "query").tobytes().hex())
print("torch" in sys.modules)
"""


class Stopped(Exception):
    pass


def opened(home):
    return Service.open(Settings.from_environment({}, home))


def store(service, collection, encoder):
    service.create_collection(collection, encoder)
    for thing in THINGS:
        for place in PLACES:
            text = "\n\n".join(fact.format(thing=thing, place=place) for fact in FACTS)
            title = f"{thing} of the {place}".capitalize()
            service.put_document(collection, NewDocument(f"{thing}-{place}", text, title))


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    """A home with sixty small documents."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    service = opened(home)
    store(service, "things", "minilm-en")
    service.create_collection("empty", "minilm-en")
    service.close()
    return home


@pytest.fixture(scope="module")
def tuned(stored, tmp_path_factory):
    """The home after a training, its result, and the steps that were told."""
    home = tmp_path_factory.mktemp("tuned") / "home"
    shutil.copytree(stored, home, symlinks=True)
    service, steps = opened(home), []
    result = tune(service, "things", note=steps.append)
    yield service, result, steps
    service.close()


@pytest.fixture
def service(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    service = opened(tmp_path / "home")
    yield service
    service.close()


def test_it_makes_another_model_than_it_began_with(tuned):
    service, result, _ = tuned
    model, base = service.models.encoder(result.name), service.models.encoder("minilm-en")
    assert result.base == "minilm-en"
    assert not result.unchanged
    assert model.fingerprint == result.fingerprint != base.fingerprint
    assert model.centring != base.centring  # means of its own
    cosines = (model.encode(THINGS, "passage") * base.encode(THINGS, "passage")).sum(axis=1)
    assert (cosines < 0.99999).all()
    assert (cosines > 0.8).all()
    assert (model.dimension, model.max_tokens) == (base.dimension, base.max_tokens)


def test_questions_that_were_held_out_are_about_other_documents(tuned):
    service, result, _ = tuned
    with service.database.read() as connection:
        task = tasks.newest(connection, "things", 1)[0]
    assert task.state == "succeeded"
    assert len(result.held_out) >= 20
    assert result.lessons >= 40
    assert {question.group for question in result.held_out}.isdisjoint(_learned(service, result))


def _learned(service, result):
    with service.database.read() as connection:
        found = collections.get(connection, "things")
    learned, held_out = Training(service, found, "trainable", 0, None, lambda _: None).parted()
    assert [each.text for each in held_out] == [each.text for each in result.held_out]
    return {question.group for question in learned}


def test_the_steps_are_told_in_their_order(tuned):
    _, _, steps = tuned
    places = [STEPS.index(step.name) for step in steps]
    assert set(places) == set(range(len(STEPS)))
    assert places == sorted(places)


def test_nothing_but_the_model_is_left(tuned):
    service, result, _ = tuned
    assert [path.name for path in service.settings.tuned_folder.iterdir()] == [result.name[6:]]


def test_it_is_served_without_torch(tuned):
    service, result, _ = tuned
    here = service.models.encoder(result.name).encode(["who repaired the kettle"], "query")
    command = [sys.executable, "-c", SERVING, str(service.settings.home), result.name]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert told == [here.tobytes().hex(), "False"]


def test_the_same_again_is_there_already(tuned):
    service, result, _ = tuned
    steps = []
    again = tune(service, "things", note=steps.append)
    assert again.unchanged
    assert (again.name, again.fingerprint) == (result.name, result.fingerprint)
    assert TUNING not in {step.name for step in steps}


def test_a_killed_training_goes_on_and_makes_the_same_bytes(tuned, service):
    def killing(step):
        if step.name == TUNING and step.number == 2:
            raise Stopped

    with pytest.raises(Stopped):
        tune(service, "things", note=killing)
    (order,) = service.settings.tuned_folder.iterdir()
    assert not list(order.glob("*.jsonl"))  # texts are not left lying about
    steps = []
    result = tune(service, "things", note=steps.append)
    assert next(step.number for step in steps if step.name == TUNING) == 2
    assert result.fingerprint == tuned[1].fingerprint
    assert not order.exists()


def order_of(service, collection, judged=None):
    """Return what a training of a collection hands to its child process, which is stopped at once."""
    read = {}

    def stopping(step):
        if step.name == TUNING:
            (order,) = service.settings.tuned_folder.glob(".tuning-*")
            read.update(json.loads((order / "tuning.json").read_text("utf-8")))
            for name in ("passages", "lessons"):
                lines = (order / f"{name}.jsonl").read_text("utf-8").splitlines()
                read[name] = [json.loads(line) for line in lines]
            raise Stopped

    with pytest.raises(Stopped):
        tune(service, collection, judged, note=stopping)
    return read


def test_a_judged_question_is_learned_with_its_answer_and_with_none_of_its_answers_as_others(
    service, tmp_path
):
    keys = [(f"{thing}-{place}", thing, place) for thing in THINGS for place in PLACES]
    queries = [Query(key, f"Where is the {thing} of the {place}?", {}) for key, thing, place in keys]
    judged = Judged("judged", tuple(queries), {key: {key: 1} for key, _, _ in keys})
    order = order_of(service, "things", judged)
    assert len(order["lessons"]) == 40  # of sixty, twenty are held out
    for lesson in order["lessons"]:
        thing, place = lesson["question"].removeprefix("Where is the ").removesuffix("?").split(" of the ")
        answer = order["passages"][lesson["answer"]]
        assert answer["text"].startswith(f"{thing.capitalize()} of the {place}")
        assert lesson["answering"] == [answer["document"]] == [lesson["group"]]
        assert lesson["others"]
        others = {order["passages"][other]["document"] for other in lesson["others"]}
        assert answer["document"] not in others


def test_a_question_of_the_texts_is_not_in_its_answer(service):
    order = order_of(service, "things")
    assert len(order["lessons"]) >= 40
    for lesson in order["lessons"]:
        assert lesson["question"] not in order["passages"][lesson["answer"]]["text"]


def test_a_model_that_was_tuned_is_tuned_anew_from_what_it_began_as(service, models_folder, tmp_path):
    output = shutil.copytree(models_folder / "minilm-en", tmp_path / "output")
    model = read_prepared(output)
    for name in ("checksums.json", "means.safetensors", "config.json"):
        (output / name).unlink()
    write_prepared(output, "tuned", model.settings, model.means, {"base": "minilm-en"})
    service.settings.tuned_folder.mkdir()
    name = service.models.tuned.add(7, read_prepared(output))
    store(service, "readers", name)
    assert order_of(service, "readers")["base"] == "minilm-en"


def test_it_needs_texts_to_learn_from(service):
    with pytest.raises(InvalidInput, match="too few to learn from"):
        tune(service, "empty")
    with pytest.raises(UnknownCollection):
        tune(service, "nothing")
