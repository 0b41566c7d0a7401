"""An encoder is fit on a collection by shell, worker and service, and lives with it from then on."""

import io
import json
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import sqlalchemy as sa

from indexer import fitting
from indexer.cli import run
from indexer.fitting import fit
from indexer.records import NewDocument, UploadedFile
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections, passages, tasks
from indexer.store.tables import EncoderRow, TaskRow
from indexer.verifying import verify
from indexer.worker import Worker
from search.child import Step
from search.errors import InvalidInput, ModelUnavailable, TooLittleToLearn, UnknownEncoder
from search.model import SearchRequest

BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()
PLACES = "marsh meadow forest harbour garden cliff".split()


def text(bird, place):
    return f"The {bird} nests in the {place}, where the {bird} feeds its young in spring."


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    """A home with sixty short documents."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    lines = [
        json.dumps({"key": f"{bird}-{place}", "title": bird.title(), "text": text(bird, place)})
        for bird in BIRDS
        for place in PLACES
    ]
    (home / "birds.jsonl").write_text("\n".join(lines), "utf-8")
    assert run(["ingest", str(home / "birds.jsonl"), "-c", "birds", "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="module")
def fitted(stored, tmp_path_factory):
    """The home with a sparse and a dense encoder fit on its collection."""
    home = tmp_path_factory.mktemp("fitted") / "home"
    shutil.copytree(stored, home, symlinks=True)
    for kind in ("tfidf", "lsi"):
        assert run(["train", kind, "-c", "birds", "--home", str(home)]) == 0
    return home


@pytest.fixture
def service(fitted, tmp_path):
    shutil.copytree(fitted, tmp_path / "fitted", symlinks=True)
    service = Service.open(Settings.from_environment({}, tmp_path / "fitted"), new=False)
    yield service
    service.close()


@pytest.fixture
def unfitted(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    service = Service.open(Settings.from_environment({}, tmp_path / "home"), new=False)
    yield service
    service.close()


def found(service, query, encoder, mode="dense", limit=3):
    result = service.search("birds", SearchRequest(query, mode=mode, encoder=encoder, limit=limit))
    assert not result.degraded
    return [hit.key for hit in result.hits]


def vectors(service, encoder):
    with service.database.read() as connection:
        seen = collections.through(connection, collections.get(connection, "birds"), encoder)
        ids, rows = next(passages.vector_blocks(connection, seen))
        return ids, rows.toarray() if seen.sparse else rows


@pytest.mark.parametrize("encoder", ["tfidf", "lsi"])
def test_searches_use_it_and_its_vectors_are_what_it_makes_of_each_passage(service, encoder):
    assert found(service, "heron marsh", encoder)[0] == "heron-marsh"
    assert found(service, "raven in the garden", encoder, "hybrid")[0] == "raven-garden"
    ids, rows = vectors(service, encoder)
    assert len(ids) == 60
    with service.database.read() as connection:
        seen = collections.through(connection, collections.get(connection, "birds"), encoder)
        texts = [f"{each.title}\n{each.text}" for each in passages.indexed_texts(connection, ids.tolist())]
    expected = service.models.encoder_of(seen).encode(texts, "passage")
    np.testing.assert_array_equal(rows, expected)
    assert verify(service).problems == []


def test_words_that_it_does_not_know_find_nothing(service):
    assert found(service, "zeppelin", "tfidf") == found(service, "zeppelin", "lsi") == []
    assert len(found(service, "heron", "tfidf", limit=60)) == 6  # no others share a word with the question


def test_what_is_stored_deleted_and_changed_is_read_by_it(service):
    service.put_document("birds", NewDocument("new", "A heron, a heron and once more a heron."))
    assert found(service, "heron", "tfidf")[0] == "new"
    service.put_document("birds", NewDocument("new", "Nothing but a falcon, falcon, falcon."))
    assert "new" not in found(service, "heron", "tfidf", limit=60)
    assert found(service, "falcon", "tfidf")[0] == "new"
    service.delete_documents("birds", ["new"])
    assert "new" not in found(service, "falcon", "lsi", limit=60)
    with service.cache_lock.held("a test", service.clock()):
        service.keeper.fold_due(service.ensure_collection("birds"), service.models.encoder_of)
    assert verify(service).problems == []


def test_the_same_texts_and_seed_give_the_same_and_another_collection_shares_it(service):
    before = {info.name: info for info in service.encoders("birds")}
    again = fit(service, "birds", "lsi")
    assert (again.unchanged, again.fingerprint) == (True, before["lsi"].fingerprint)
    assert {info.name: info for info in service.encoders("birds")} == before
    assert (before["lsi"].fit_on, before["lsi"].passages, before["lsi"].kind) == (60, 60, "dense")
    assert (before["tfidf"].kind, before["tfidf"].own, before["tfidf"].complete) == ("sparse", False, True)


def test_another_seed_that_comes_out_the_same_keeps_the_files_that_are_in_use(service):
    info = service.encoders("birds")[2]
    folder = service.settings.encoders_folder / f"tfidf-{info.fingerprint[:16]}"
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert fit(service, "birds", "tfidf", seed=5).fingerprint == info.fingerprint
    assert {path.name: path.stat().st_ino for path in folder.iterdir()} == before
    assert service.encoders("birds")[2] == info


def test_an_encoder_that_is_removed_while_it_reads_is_told_and_leaves_nothing(service):
    service.put_document("birds", NewDocument("more", "One more heron, so that there is something to learn."))

    def remove(step: Step):
        if step.name == "encoding passages":
            service.remove_encoder("birds", "tfidf")

    with pytest.raises(UnknownEncoder, match="was removed in the meantime"):
        fit(service, "birds", "tfidf", note=remove)
    assert [info.name for info in service.encoders("birds")] == ["multilingual-e5-small", "lsi"]
    assert service.tasks("birds")[0].error["code"] == "unknown_encoder"
    assert verify(service).problems == []


def test_a_fit_folds_what_it_read_or_leaves_it_to_whoever_keeps_the_caches(service):
    with service.database.read() as connection:
        found = collections.get(connection, "birds")
        assert collections.through(connection, found, "lsi").active_generation_id is not None
    service.put_document("birds", NewDocument("wren", "A wren hides in the hedge of the garden."))
    with service.cache_lock.held("another process", service.clock()):
        fit(service, "birds", "lsi")
    with service.database.read() as connection:
        seen = collections.through(connection, found, "lsi")
    assert seen.active_generation_id is None and service.keeper.due(seen)


def test_a_new_fit_knows_the_new_words_and_replaces_the_old_one(service):
    old = {info.name: info.fingerprint for info in service.encoders("birds")}
    service.put_document("birds", NewDocument("ship", "A zeppelin moors at the mast of the harbour."))
    assert found(service, "zeppelin", "tfidf") == []
    summary = fit(service, "birds", "tfidf")
    assert (summary.unchanged, summary.passages) == (False, 61)
    assert found(service, "zeppelin", "tfidf") == ["ship"]
    infos = service.encoders("birds")
    assert [info.name for info in infos] == ["multilingual-e5-small", "lsi", "tfidf"]
    assert infos[2].fit_on == 61 and infos[2].fingerprint != old["tfidf"]
    assert len(service._searching._pictures) == 1  # the old one's is let go
    left = {path.name for path in service.settings.encoders_folder.iterdir()}
    gone = f"tfidf-{old['tfidf'][:16]}"
    assert gone in left  # a search that has just begun may be about to open it
    fit(service, "birds", "lsi")
    folders = {path.name for path in service.settings.encoders_folder.iterdir()}
    assert folders - left == {f"lsi-{service.encoders('birds')[1].fingerprint[:16]}"}
    assert left - folders == {gone}
    assert verify(service).problems == []


def test_damaged_files_are_told_and_lose_no_document(service, capsys):
    info = service.encoders("birds")[1]
    folder = service.settings.encoders_folder / f"lsi-{info.fingerprint[:16]}"
    for path in folder.iterdir():
        path.chmod(0o600)
        path.write_bytes(path.read_bytes()[:-1])
    told = "the files of the encoder 'lsi' of 'birds' are out of use .*; `xunyi train lsi -c birds` makes"
    with pytest.raises(ModelUnavailable, match=told):
        found(service, "heron", "lsi")
    problems = verify(service).problems
    assert [(problem.where, problem.code) for problem in problems] == [
        ("birds, encoder lsi", "model_unavailable")
    ]
    service.put_document("birds", NewDocument("new", "A heron all the same."))
    assert "new" in found(service, "heron all the same", None, "hybrid")
    assert found(service, "heron all the same", "tfidf")[0] == "new"
    with pytest.raises(UnknownEncoder):
        found(service, "heron", "lsi")
    fit(service, "birds", "lsi")
    assert "new" in found(service, "heron", "lsi", limit=60)
    assert verify(service).problems == []


def test_removing_it_takes_its_vectors_and_files_away(service):
    with pytest.raises(InvalidInput, match="is the own encoder of 'birds'"):
        service.remove_encoder("birds", "multilingual-e5-small")
    with pytest.raises(UnknownEncoder, match="it has: multilingual-e5-small, lsi, tfidf"):
        service.remove_encoder("birds", "lstm")
    service.remove_encoder("birds", "lsi")
    with pytest.raises(UnknownEncoder):
        found(service, "heron", "lsi")
    assert [path.name.split("-")[0] for path in service.settings.encoders_folder.iterdir()] == ["tfidf"]
    service.delete_collection("birds")
    assert list(service.settings.encoders_folder.iterdir()) == []
    with service.database.read() as connection:
        names = connection.execute(sa.select(EncoderRow.name)).scalars().all()
    assert names == ["multilingual-e5-small"]


def test_too_little_to_learn_and_names_that_are_none(unfitted):
    unfitted.create_collection("empty")
    with pytest.raises(TooLittleToLearn, match="'empty' has no passages to learn from"):
        fit(unfitted, "empty", "lsi")
    assert unfitted.tasks("empty")[0].error["code"] == "too_little_to_learn"
    with pytest.raises(InvalidInput, match=r"no encoder 'lsl' can be fit .*did you mean 'lsi'\?"):
        unfitted.fit_encoder("birds", "lsl")


def test_a_worker_fits_what_the_service_is_asked_for(unfitted):
    task = unfitted.fit_encoder("birds", "tfidf", 3)
    assert (task.state, task.kind, task.options) == ("enqueued", "fitting", {"encoder": "tfidf", "seed": 3})
    with unfitted.cache_lock.held("a test", unfitted.clock()):
        Worker(unfitted).run_until_idle()
    ended = unfitted.task(task.id)
    assert (ended.state, ended.done, ended.error) == ("succeeded", ended.total, None)
    assert found(unfitted, "heron marsh", "tfidf")[0] == "heron-marsh"
    with unfitted.database.read() as connection:
        seen = collections.encoders_of(connection, collections.get(connection, "birds"))
    assert all(each.active_generation_id for each in seen)  # it keeps the caches of both


def test_word2vec_learns_on_where_it_is_asked_to_and_anew_where_not(unfitted, tmp_path):
    with pytest.raises(InvalidInput, match="'birds' has no word2vec-cbow to continue from"):
        fit(unfitted, "birds", "word2vec-cbow", learn_on=True)
    with pytest.raises(InvalidInput, match="lsi always learns anew"):
        unfitted.fit_encoder("birds", "lsi", learn_on=True)
    first = fit(unfitted, "birds", "word2vec-cbow")
    unfitted.put_document("birds", NewDocument("tern", "The tern dives for fish where the heron nests."))
    unfitted.database.close()
    shutil.copytree(unfitted.settings.home, tmp_path / "copy", symlinks=True)
    onward = fit(unfitted, "birds", "word2vec-cbow", learn_on=True)
    assert unfitted.words.ask("birds", "neighbours", ["tern"], 3).found
    anew = fit(unfitted, "birds", "word2vec-cbow")
    assert len({first.fingerprint, onward.fingerprint, anew.fingerprint}) == 3
    copy = Service.open(Settings.from_environment({}, tmp_path / "copy"), new=False)
    task = copy.fit_encoder("birds", "word2vec-cbow", learn_on=True)
    with copy.cache_lock.held("a test", copy.clock()):
        Worker(copy).run_until_idle()
    assert (copy.task(task.id).state, task.options["continue"]) == ("succeeded", True)
    with copy.database.read() as connection:
        seen = collections.through(connection, collections.get(connection, "birds"), "word2vec-cbow")
    assert seen.fingerprint == onward.fingerprint
    for path in copy.settings.encoders_folder.glob("word2vec-cbow-*/words.safetensors"):
        path.chmod(0o600)
        path.write_bytes(b"?")
    with pytest.raises(ModelUnavailable, match="out of use"):
        fit(copy, "birds", "word2vec-cbow", learn_on=True)
    copy.close()


@pytest.mark.parametrize("read_at", ["proved", "write_passages", "run"])
def test_a_fit_to_start_from_that_is_removed_before_it_is_read_is_told(unfitted, monkeypatch, read_at):
    fit(unfitted, "birds", "word2vec-cbow")
    reader = unfitted.models.fitted if read_at == "proved" else fitting
    read = getattr(reader, read_at)

    def removed_first(*given):
        unfitted.remove_encoder("birds", "word2vec-cbow")
        return read(*given)

    monkeypatch.setattr(reader, read_at, removed_first)
    with pytest.raises(UnknownEncoder, match="'word2vec-cbow' of 'birds' was removed in the meantime"):
        fit(unfitted, "birds", "word2vec-cbow", learn_on=True)
    assert unfitted.tasks("birds")[0].error["code"] == "unknown_encoder"
    assert [info.name for info in unfitted.encoders("birds")] == ["multilingual-e5-small"]
    assert verify(unfitted).problems == []
    monkeypatch.undo()
    assert fit(unfitted, "birds", "word2vec-cbow").passages == 60


@pytest.mark.slow
def test_uploads_do_not_wait_for_a_fit(unfitted):
    slow = unfitted.fit_encoder("birds", "autoencoder")
    upload = unfitted.upload("birds", [UploadedFile("tern.txt", io.BytesIO(b"A tern dives for fish."))])
    with unfitted.cache_lock.held("a test", unfitted.clock()):
        Worker(unfitted).run_until_idle()
    fit_task, quick = unfitted.task(slow.id), unfitted.task(upload.id)
    assert (fit_task.state, quick.state, quick.stored) == ("succeeded", "succeeded", 1)
    assert quick.finished_at < fit_task.finished_at
    assert found(unfitted, "tern dives", "autoencoder", limit=61)
    assert verify(unfitted).problems == []


@pytest.mark.slow
def test_a_canceled_fit_changes_nothing(unfitted):
    def cancel(step: Step):
        if step.name == "fitting":
            with unfitted.database.write() as connection:
                number = connection.execute(sa.select(sa.func.max(TaskRow.id))).scalar_one()
                tasks.cancel(connection, number, unfitted.clock())

    with pytest.raises(tasks.Canceled):
        fit(unfitted, "birds", "autoencoder", note=cancel)
    assert [info.name for info in unfitted.encoders("birds")] == ["multilingual-e5-small"]
    assert list(unfitted.settings.encoders_folder.rglob("passages.jsonl")) == []
    unfitted.delete_collection("birds")
    assert list(unfitted.settings.encoders_folder.iterdir()) == []


class StoppedInAnUpload(Worker):
    """A worker that is told to stop while it ingests an upload in the middle of a fit."""

    def _ingest(self, task):
        self.stop.set()
        return super()._ingest(task)


@pytest.mark.slow
def test_a_worker_that_is_stopped_in_the_middle_of_both_gives_both_back(unfitted):
    slow = unfitted.fit_encoder("birds", "autoencoder")
    upload = unfitted.upload("birds", [UploadedFile("tern.txt", io.BytesIO(b"A tern dives for fish."))])
    with unfitted.cache_lock.held("a test", unfitted.clock()):
        StoppedInAnUpload(unfitted).run_until_idle()
        assert [unfitted.task(each.id).state for each in (slow, upload)] == ["enqueued", "enqueued"]
        Worker(unfitted).run_until_idle()
    assert [unfitted.task(each.id).state for each in (slow, upload)] == ["succeeded", "succeeded"]


def test_documents_that_come_while_it_reads_are_read_as_well(unfitted):
    late = [0]

    def store(step: Step):
        if step.name == "encoding passages":
            late[0] += 1
            unfitted.put_document("birds", NewDocument(f"late {late[0]}", "A heron that came late."))

    fit(unfitted, "birds", "tfidf", note=store)
    assert late[0] >= 1
    hits = found(unfitted, "heron came late", "tfidf", limit=60)
    assert {f"late {number}" for number in range(1, late[0] + 1)} <= set(hits)
    assert verify(unfitted).problems == []


KILLED = """
import os, signal, sys
from indexer.fitting import fit
from indexer.service import Service
from indexer.settings import Settings

def die(step):
    if step.name == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

service = Service.open(Settings.from_environment({}, sys.argv[1]), new=False)
fit(service, "birds", "tfidf", note=die)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", ["fitting", "encoding passages"])
def test_killed_at_a_step_it_goes_on_and_comes_out_the_same(unfitted, service, step):
    home = str(unfitted.settings.home)
    killed = subprocess.run([sys.executable, "-c", KILLED, home, step], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    with pytest.raises(UnknownEncoder):
        found(unfitted, "heron", "tfidf")
    told = "birds: the encoder tfidf has not read all passages; `xunyi train tfidf -c birds` goes on"
    assert verify(unfitted).notes == ([told] if step == "encoding passages" else [])
    fit(unfitted, "birds", "tfidf")
    assert [task.state for task in unfitted.tasks("birds") if task.kind == "training"] == [
        "succeeded",
        "failed",
    ]
    for mine, undisturbed in zip(vectors(unfitted, "tfidf"), vectors(service, "tfidf"), strict=True):
        np.testing.assert_array_equal(mine, undisturbed)
    assert verify(unfitted).problems == []


@pytest.mark.slow
def test_searches_go_on_while_an_encoder_is_fit_again(service):
    """No search fails or mixes vectors of two fits."""
    wrong, asked, stop = [], [0], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                if found(service, "raven cliff", "tfidf")[0] != "raven-cliff":
                    wrong.append("another first hit")
            except Exception as error:  # any failure counts
                wrong.append(error)
            asked[0] += 1
            time.sleep(0.005)

    asking = threading.Thread(target=ask)
    asking.start()
    for number in range(3):
        service.put_document("birds", NewDocument(f"more {number}", f"The gull number {number} of the pier."))
        fit(service, "birds", "tfidf")
    stop.set()
    asking.join()
    assert wrong == [] and asked[0] > 20


def test_the_shell_lists_and_searches(fitted, capsys):
    home = ["-c", "birds", "--home", str(fitted)]
    assert run(["search", "heron", "marsh", "--encoder", "tfidf", "--mode", "dense", "--json", *home]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["key"] == "heron-marsh"
    assert run(["encoders", "--json", *home]) == 0
    told = json.loads(capsys.readouterr().out)["encoders"]
    assert [each["name"] for each in told] == ["multilingual-e5-small", "lsi", "tfidf"]
    assert run(["encoders", *home]) == 0
    assert "xunyi train can fit: " in capsys.readouterr().out
    assert run(["search", "heron", "--encoder", "lstm", *home]) == 2
    assert "unknown_encoder" in capsys.readouterr().err
    assert run(["search", "heron", "--encoder", "tfidf", "--mode", "attention", *home]) == 2
    assert "no token states" in capsys.readouterr().err
