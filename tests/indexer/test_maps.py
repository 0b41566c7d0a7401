"""Maps over a real store and the real model: drawn, cached, and shown over the rows as they are now."""

import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from indexer import maps
from indexer.fitting import fit
from indexer.map_colours import by_field
from indexer.map_records import MapRequest
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.store.tasks import MAPPING
from indexer.worker import Worker
from search.errors import InvalidInput, NotMapped, UnknownCollection, UnknownEncoder

SUBJECTS = {
    "tea": "The {0} tea steeps in hot water, and a second pot of {0} tea tastes milder than the first.",
    "train": "The {0} train stops at the signal until the track ahead of the {0} train is clear.",
    "熊猫": "第{0}只熊猫在竹林里吃竹子，吃饱了以后这只熊猫就在树上睡觉。",
}
EACH = 8
SOME = MapRequest(clusters=3)


@pytest.fixture(scope="module")
def made(tmp_path_factory, models_folder, models_opened_once):
    """A home with the collection ``subjects``."""
    home = tmp_path_factory.mktemp("made")
    (home / "models").symlink_to(models_folder)
    service = Service.open(Settings.from_environment({}, home=home))
    for subject, text in SUBJECTS.items():
        for number in range(EACH):
            fields = {"subject": subject, "number": number}
            service.put_document(
                "subjects", NewDocument(f"{subject}/{number}", text.format(number), metadata=fields)
            )
    fold(service)
    service.close()
    return home


@pytest.fixture
def service(made, tmp_path):
    """The service of a copy of that home."""
    home = shutil.copytree(made, tmp_path / "home", symlinks=True)
    service = Service.open(Settings.from_environment({}, home=home))
    yield service
    service.close()


def fold(service):
    with service.cache_lock.held("a test", service.clock()):
        found = service.ensure_collection("subjects")
        service.keeper.follow(found)
        service.keeper.fold(found, service.models.encoder_of(found))


def folders(service):
    return sorted(path.name for path in service.settings.caches_folder.glob("map-*"))


def test_subjects_are_the_clusters_and_are_named_by_their_words(service):
    drawn = service.maps.show("subjects", SOME)
    assert [cluster.passages for cluster in drawn.clusters] == [EACH] * 3
    named = {cluster.typical[0].key.partition("/")[0]: cluster.words for cluster in drawn.clusters}
    assert "tea" in named["tea"] and "train" in named["train"] and "熊猫" in "".join(named["熊猫"])
    assert drawn.passages == len(drawn.points.ids) == 3 * EACH and drawn.missing == 0
    assert all(len(cluster.typical) == 3 for cluster in drawn.clusters)
    assert drawn.points.ids == sorted(drawn.points.ids)
    assert 0 < sum(drawn.explained) <= 1
    few = service.maps.show("subjects", replace(SOME, points=4))
    assert len(few.points.ids) == len(few.points.x) == 4 and few.passages == 3 * EACH


def test_a_map_is_kept_and_made_anew_with_the_generation_or_when_it_is_damaged(service):
    first = service.maps.show("subjects", SOME)
    [folder] = folders(service)
    path = service.settings.caches_folder / folder / "places.npy"
    written = path.stat().st_mtime_ns
    assert service.maps.show("subjects", SOME) == first
    assert path.stat().st_mtime_ns == written
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-8])
    assert service.maps.show("subjects", SOME) == first
    assert folders(service) == [folder]
    fold(service)
    again = service.maps.show("subjects", SOME)
    assert again.generation > first.generation and again.points == first.points
    assert len(folders(service)) == 1 and folders(service) != [folder]
    shutil.rmtree(service.settings.caches_folder / folders(service)[0])
    assert service.maps.show("subjects", SOME) == again


def test_what_came_later_is_placed_by_the_same_axes_and_what_went_is_gone(service):
    before = service.maps.show("subjects", SOME)
    gone = dict(zip(before.points.ids, zip(before.points.x, before.points.y, strict=True), strict=True))
    service.delete_documents("subjects", ["tea/0"])
    service.put_document("subjects", NewDocument("late", SUBJECTS["train"].format("express")))
    after = service.maps.show("subjects", SOME)
    late = after.points.ids[-1]
    assert set(after.points.ids) - set(gone) == {late} and len(set(gone) - set(after.points.ids)) == 1
    trains = next(n for n, cluster in enumerate(after.clusters) if "train" in cluster.words)
    assert after.points.group[-1] == trains and after.clusters[trains].passages == EACH + 1
    assert after.passages == 3 * EACH and after.missing == 0
    fold(service)
    folded = service.maps.show("subjects", SOME)
    assert folded.points.ids == after.points.ids


def test_points_are_coloured_by_a_field(service):
    service.put_document("subjects", NewDocument("bare", "A text without fields."))
    drawn = service.maps.show("subjects", replace(SOME, colour="subject"))
    groups = [(group.label, group.kind, group.passages) for group in drawn.groups]
    values = [(label, "value", EACH) for label in sorted(SUBJECTS)]
    assert groups == [*values, ("", "missing", 1)]
    assert drawn.points.group[-1] == 3
    by_language = service.maps.show("subjects", replace(SOME, colour="document.language"))
    assert [(group.label, group.passages) for group in by_language.groups] == [
        ("en", 2 * EACH + 1),
        ("zh", EACH),
    ]
    assert service.maps.colours("subjects")[:3] == ["cluster", "number", "subject"]
    with pytest.raises(InvalidInput, match="did you mean 'subject'"):
        service.maps.show("subjects", replace(SOME, colour="subjekt"))


def test_many_numbers_and_times_become_ranges():
    column = {document: [document * 10] for document in range(1, 61)}
    found = by_field(column, {passage: passage for passage in range(1, 62)}, np.arange(1, 62))
    assert [group.passages for group in found.groups] == [10, 10, 10, 10, 10, 10, 1]
    assert found.groups[0].label == "10 – 100" and found.groups[-1].kind == "missing"
    assert found.members.tolist() == sorted(found.members.tolist())
    times = {document: [datetime(2000 + document, 1, 1, tzinfo=UTC)] for document in range(1, 13)}
    labels = [group.label for group in by_field(times, {n: n for n in times}, np.arange(1, 13)).groups]
    assert labels[0] == "2001-01-01 – 2002-01-01" and len(labels) == 6


def test_of_several_values_the_most_frequent_counts_and_rare_ones_share_a_colour():
    column = {n: ["common", f"rare {n}"] for n in range(1, 4)} | {n: [f"own {n}"] for n in range(4, 20)}
    found = by_field(column, {n: n for n in range(1, 20)}, np.arange(1, 20))
    assert found.groups[0].label == "common" and found.groups[0].passages == 3
    assert found.groups[-1].kind == "other" and len(found.groups) == 12
    assert sum(group.passages for group in found.groups) == 19


def test_what_takes_long_is_drawn_by_a_worker(service, monkeypatch):
    monkeypatch.setattr(maps, "AT_ONCE_MAX", 3)
    with pytest.raises(NotMapped, match="not made yet"):
        service.maps.show("subjects", SOME)
    task = service.maps.enqueue("subjects", SOME)
    assert task.kind == MAPPING and service.maps.enqueue("subjects", SOME).id == task.id
    assert service.maps.enqueue("subjects", MapRequest(clusters=4)).id != task.id
    with service.cache_lock.held("a test", service.clock()):
        Worker(service).run_until_idle()
    assert service.task(task.id).state == "succeeded"
    assert len(service.maps.show("subjects", SOME).clusters) == 3


def test_what_cannot_be_mapped_is_told(service):
    for asked, told in (
        (MapRequest(method="tsne"), "no method 'tsne'"),
        (MapRequest(clusters=0), "from 1 to 20"),
        (MapRequest(points=-1), "from 0 to 100000"),
        (MapRequest(colour="\x00"), "no text"),
    ):
        with pytest.raises(InvalidInput, match=told):
            service.maps.show("subjects", asked)
    with pytest.raises(UnknownEncoder):
        service.maps.show("subjects", MapRequest(encoder="lsi"))
    with pytest.raises(UnknownCollection):
        service.maps.show("nowhere", SOME)
    fit(service, "subjects", "tfidf")
    with pytest.raises(InvalidInput, match="dimension for each word"):
        service.maps.show("subjects", MapRequest(encoder="tfidf"))
    fit(service, "subjects", "lsi")
    assert service.maps.show("subjects", MapRequest(encoder="lsi")).encoder == "lsi"
    service.create_collection("empty")
    assert service.maps.show("empty", SOME).points.ids == []
    service.put_document("fresh", NewDocument("one", "The kettle sings."))
    with pytest.raises(NotMapped, match="not indexed yet"):
        service.maps.show("fresh", SOME)


def test_what_a_killed_process_left_is_swept_away_after_a_day(service):
    service.maps.show("subjects", SOME)
    generation = service.maps.show("subjects", SOME).generation
    found = service.ensure_collection("subjects")
    old, new = (service.settings.caches_folder / f"map-{found.id}-{generation}-{name}.tmp" for name in "ab")
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (0, 0))
    service.maps.show("subjects", replace(SOME, clusters=4))
    assert not old.exists() and new.exists() and len(folders(service)) == 3


def test_the_maps_of_a_deleted_collection_are_swept_away(service):
    service.maps.show("subjects", SOME)
    service.delete_collection("subjects")
    with service.cache_lock.held("a test", service.clock()):
        service.keeper.sweep_deleted()
    assert folders(service) == []
