"""Another encoder takes the place of a collection's own, and gives it back."""

import json
import shutil
import signal
import subprocess
import sys
import threading
from itertools import product

import numpy as np
import pytest

from indexer.cli import run
from indexer.judging import of_beir
from indexer.known_answers import Asking
from indexer.records import NewDocument
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import collections, passages, token_states
from indexer.switching import switch, verdict
from indexer.token_states import codec_of
from indexer.verifying import verify
from indexer.worker import Worker
from search.errors import InvalidInput, UnknownEncoder, UnknownJudgements
from search.model import SearchRequest

OLD, NEW = "multilingual-e5-small", "minilm-en"
BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()
PLACES = "marsh meadow forest".split()


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    """A home with thirty short documents."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    lines = [
        json.dumps(
            {
                "key": f"{bird}-{place}",
                "title": f"The {bird} of the {place}",
                "text": f"A {bird} lives in this {place}. In spring the {bird} feeds its young near water. "
                f"Visitors of the {place} see it at dawn, when everything else is still asleep.",
            }
        )
        for bird in BIRDS
        for place in PLACES
    ]
    (home / "birds.jsonl").write_text("\n".join(lines), "utf-8")
    assert run(["ingest", str(home / "birds.jsonl"), "-c", "birds", "--home", str(home)]) == 0
    return home


@pytest.fixture
def home(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


@pytest.fixture
def service(home, models_opened_once):
    service = Service.open(Settings.from_environment({}, home), new=False)
    yield service
    service.close()


def birds(service):
    with service.database.read() as connection:
        return collections.get(connection, "birds")


def through(service, encoder):
    with service.database.read() as connection:
        return collections.through(connection, birds(service), encoder)


def expect_read_by(service, encoder):
    """Every passage has the vector and the states that the encoder makes of it."""
    seen = through(service, encoder)
    opened = service.models.encoder(encoder)
    with service.database.read() as connection:
        ids, rows = next(passages.vector_blocks(connection, seen))
        texts = [f"{each.title}\n{each.text}" for each in passages.indexed_texts(connection, ids.tolist())]
        states = token_states.states_of(connection, seen.encoder_id, codec_of(opened), ids.tolist())
    np.testing.assert_array_equal(rows, opened.encode(texts, "passage"))
    assert set(states) == set(ids.tolist())


def answer(service, query="a heron by the marsh", **options):
    result = service.search("birds", SearchRequest(query, mode="attention", **options))
    return result.mode, [(hit.key, hit.score) for hit in result.hits], result.degraded


def told(service):
    return {info.name: (info.own, info.former, info.complete) for info in service.encoders("birds")}


def test_it_reads_everything_answers_and_gives_the_place_back(service):
    before = answer(service)
    summary = switch(service, "birds", NEW, force=True)
    assert (summary.before, summary.after, summary.adopted) == (OLD, NEW, True)
    assert (summary.passages, summary.cut, summary.source) == (30, 0, "texts")
    assert summary.held_out >= 20 and 0 <= summary.p_value <= 1
    assert told(service) == {NEW: (True, False, True), OLD: (False, True, True)}
    assert birds(service).encoder == NEW and birds(service).dimension == 384
    expect_read_by(service, NEW)
    after = answer(service)
    assert after[0] == "attention" and after[2] == [] and after[1][0][0] == "heron-marsh"
    assert [score for _, score in after[1]] != [score for _, score in before[1]]
    assert answer(service, encoder=OLD) == before

    # What comes and goes from now on is read by both.
    service.put_document("birds", NewDocument("wren", "A wren hides in the hedge of the old garden."))
    service.delete_documents("birds", ["heron-marsh"])
    for encoder in (OLD, NEW):
        expect_read_by(service, encoder)
        assert answer(service, "wren in the hedge", encoder=encoder)[1][0][0] == "wren"
        assert "heron-marsh" not in dict(answer(service, encoder=encoder)[1])

    service.roll_back_encoder("birds")
    assert told(service) == {OLD: (True, False, True), NEW: (False, True, True)}
    assert answer(service) == answer(service, encoder=OLD) and answer(service)[2] == []
    service.put_document("birds", NewDocument("tit", "A tit nests in the letter box."))
    for encoder in (OLD, NEW):
        expect_read_by(service, encoder)
    assert verify(service).problems == []
    service.remove_encoder("birds", NEW)
    assert told(service) == {OLD: (True, False, True)}
    with pytest.raises(InvalidInput, match="no former encoder to go back to"):
        service.roll_back_encoder("birds")
    with service.database.read() as connection:
        left = token_states.states_of(
            connection,
            collections.ensure_encoder(connection, NEW, service.models.encoder(NEW).fingerprint, 384, None),
            codec_of(service.models.encoder(NEW)),
            passages.all_ids(connection, birds(service).id).tolist(),
        )
    assert left == {}


def test_an_ingest_that_began_before_the_switch_stores_what_the_new_encoder_makes(service):
    pipeline = service.pipeline(birds(service))
    switch(service, "birds", NEW, force=True)
    lines = iter([b'{"key": "owl", "text": "An owl calls in the night forest."}'])
    from indexer import bulk

    assert [line.outcome for line in bulk.store_lines(pipeline, lines, 10_000)] == ["created"]
    for encoder in (OLD, NEW):
        expect_read_by(service, encoder)


def test_a_worse_encoder_stays_beside_until_it_is_forced(service, monkeypatch):
    asked = Asking.looked

    def blind(asking, question):
        looked = asked(asking, question)
        if asking.seen.encoder == NEW:  # it finds everything but what answers
            wrong = {passage: -1 for passage, each in looked.documents.items() if each in question.answers}
            looked.documents.update(wrong)
        return looked

    monkeypatch.setattr(Asking, "looked", blind)
    before = answer(service)
    summary = switch(service, "birds", NEW)
    assert not summary.adopted and summary.ndcg_after == 0 < summary.ndcg_before and summary.p_value < 0.01
    assert "which is worse by more than chance" in summary.reason
    assert told(service) == {OLD: (True, False, True), NEW: (False, False, True)}
    assert answer(service) == before
    read = []
    summary = switch(
        service, "birds", NEW, note=lambda step: read.append((step.name, step.number)), force=True
    )
    assert summary.adopted and "adopted all the same" in summary.reason
    assert [number for name, number in read if name == "encoding passages"] == [30]  # nothing is read twice
    assert told(service)[NEW] == (True, False, True)


def test_passages_that_the_new_encoder_cuts_are_counted_outside_of_any_transaction(service, monkeypatch):
    unknown = " ".join(["Достопримечательности"] * 40)  # an English model reads it letter by letter
    service.put_document("birds", NewDocument("panda", unknown))
    encoder = service.models.encoder(NEW)
    tokenizer, open_then = type(encoder.tokenizer), []
    count = tokenizer.count

    def noted(self, text):
        open_then.append(service.database.engine.pool.checkedout())
        return count(self, text)

    monkeypatch.setattr(passages, "_BLOCK_ROWS", 7)
    with service.database.read() as connection:
        texts = list(passages.all_indexed_texts(connection, birds(service).id))
    longer = [each for each in texts if count(encoder.tokenizer, each.text) > encoder.max_tokens]
    assert [each.text for each in longer] == [unknown]
    monkeypatch.setattr(tokenizer, "count", noted)
    assert switch(service, "birds", NEW, force=True).cut == 1
    assert len(open_then) >= len(texts) == 31 and set(open_then) == {0}


def test_whoever_keeps_the_caches_is_waited_for(service):
    steps, made = [], []

    def note(step):
        steps.append(step.name)
        if steps.count("indexing") == 3 and not made:
            made.append(service.keeper.fold(through(service, NEW), service.models.encoder(NEW)))

    with service.cache_lock.held("another process", service.clock()):
        switch(service, "birds", NEW, note=note, force=True)
    assert steps.count("indexing") == 3
    assert [through(service, NEW).active_generation_id] == made


@pytest.fixture
def judged(tmp_path):
    """A folder with a question about each document."""
    judged = tmp_path / "judged"
    judged.mkdir()
    asked = [
        (f"q{bird}{place}", f"{bird} in the {place}", f"{bird}-{place}") for bird in BIRDS for place in PLACES
    ]
    lines = [json.dumps({"_id": number, "text": text}) for number, text, _ in asked]
    (judged / "queries.jsonl").write_text("\n".join(lines), "utf-8")
    rows = "".join(f"{number}\t{key}\t1\n" for number, _, key in asked)
    (judged / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + rows, "utf-8")
    return judged


@pytest.mark.parametrize("kept", [False, True], ids=["folder", "kept"])
def test_judged_questions_decide_where_they_are_given(home, service, judged, capsys, kept):
    if kept:
        assert run(["judgements", "mine", "-c", "birds", "--from", str(judged), "--home", str(home)]) == 0
        capsys.readouterr()
    given = "mine" if kept else str(judged)
    command = ["encoders", "switch", NEW, "-c", "birds", "--judgements", given, "--home", str(home)]
    assert run([*command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["source"], summary["held_out"], summary["adopted"]) == ("judgements", 30, True)
    assert run(["encoders", "-c", "birds", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    assert "in use, its own" in shown and "former; xunyi encoders rollback" in shown
    assert run(["encoders", "rollback", "-c", "birds", "--home", str(home)]) == 0
    assert birds(service).encoder == OLD


def test_killed_while_it_reads_it_goes_on_and_comes_out_the_same(home, service):
    script = (
        "import os, signal, sys\n"
        "import indexer.filling as filling\n"
        "from indexer.service import Service\n"
        "from indexer.settings import Settings\n"
        "from indexer.switching import switch\n"
        "filling.BATCH_PASSAGES['transformer'] = 8\n"
        "def note(step):\n"
        "    if step.name == 'encoding passages' and step.number >= 16:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "service = Service.open(Settings.from_environment({}, sys.argv[1]), new=False)\n"
        f"switch(service, 'birds', {NEW!r}, note=note, force=True)\n"
    )
    before = answer(service)
    killed = subprocess.run([sys.executable, "-c", script, str(home)], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert told(service) == {OLD: (True, False, True), NEW: (False, False, False)}
    assert answer(service) == before
    with pytest.raises(UnknownEncoder):
        answer(service, encoder=NEW)
    service.put_document("birds", NewDocument("wren", "A wren hides in the hedge."))  # read by both already
    read = []
    switch(service, "birds", NEW, note=lambda step: read.append((step.name, step.number)), force=True)
    numbers = [number for name, number in read if name == "encoding passages"]
    assert numbers[0] == 17 and numbers[-1] == 31
    expect_read_by(service, NEW)
    assert verify(service).problems == []


def test_searches_beside_a_switch_and_the_way_back_never_fail_or_mix(home, service):
    alone = {encoder: None for encoder in (OLD, NEW)}
    alone[OLD] = answer(service)
    switch(service, "birds", NEW, force=True)
    alone[NEW] = answer(service)
    service.roll_back_encoder("birds")
    seen, failures, stop = set(), [], threading.Event()

    def search():
        other = Service.open(Settings.from_environment({}, home), new=False)
        try:
            while not stop.is_set():
                got = answer(other)
                seen.add(next((name for name, known in alone.items() if known == got), str(got)))
        except Exception as error:
            failures.append(error)
        finally:
            other.close()

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            service.roll_back_encoder("birds")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == [] and seen <= {OLD, NEW}


@pytest.mark.parametrize(
    "command",
    [
        ["encoders", "switch", NEW],
        ["train", "attention", "--kind", "causal"],
        ["train", "mix"],
        ["train", "transformer"],
        ["calibrate"],
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_judgements_that_are_no_folder_and_not_kept_either_are_told(home, service, capsys, command):
    service.judgements.put("birds", "empty", [])
    for given, told in {
        "mine": "'mine' is no folder here, and 'birds' has no judgements 'mine'; it has: empty",
        "./mine": "the folder './mine' does not exist",
        "empty": "no question of 'empty' is judged yet",
        str(home): "is no folder of judgements: it has no queries.jsonl",
    }.items():
        assert run([*command, "-c", "birds", "--judgements", given, "--home", str(home)]) == 2
        assert told in capsys.readouterr().err
    assert service.tasks("birds") == []


def test_a_worker_tests_by_judgements_that_the_collection_keeps(service, judged):
    texts = [(judged / name).read_text("utf-8") for name in ("queries.jsonl", "qrels.tsv")]
    service.judgements.put("birds", "mine", of_beir(*texts))
    with pytest.raises(UnknownJudgements, match="it has: mine"):
        service.switch_encoder("birds", NEW, judged="yours")
    task = service.switch_encoder("birds", NEW, judged="mine")
    with service.cache_lock.held("xunyi worker", service.clock()):
        Worker(service).run_until_idle()
    ended = service.task(task.id)
    assert (ended.state, ended.report["source"], ended.report["held_out"]) == ("succeeded", "judgements", 30)


def test_a_worker_switches_and_its_task_reports(service):
    task = service.switch_encoder("birds", NEW, force=True)
    assert (task.kind, task.options) == ("switching", {"encoder": NEW, "force": True})
    with service.cache_lock.held("xunyi worker", service.clock()):
        Worker(service).run_until_idle()
    ended = service.task(task.id)
    assert (ended.state, ended.report["adopted"], ended.report["before"]) == ("succeeded", True, OLD)
    assert birds(service).encoder == NEW
    assert through(service, NEW).active_generation_id is not None
    # Relevance is calibrated for what ranks now.
    assert answer(service)[0] == "attention"


@pytest.mark.parametrize(
    ("what", "options", "part"),
    [
        (["switch", OLD], [], "is the own encoder of 'birds' already"),
        (["switch", "transformer"], [], "already; name another one"),
        (["switch", "minilm-em"], [], "did you mean 'minilm-en'?"),
        (["switch"], [], "`switch NAME` or `rollback`"),
        (["turn", NEW], [], "`switch NAME` or `rollback`"),
        (["rollback"], [], "no former encoder"),
        (["rollback"], ["--force"], "--judgements and --force go with"),
        (["switch", NEW], ["--remove", "lsi"], "in two commands"),
        ([], ["--remove", OLD], "only its others can be removed"),
    ],
)
def test_wrong_use_is_told_in_a_sentence_and_changes_nothing(home, service, capsys, what, options, part):
    assert run(["encoders", *what, *options, "-c", "birds", "--home", str(home)]) == 2
    assert part in capsys.readouterr().err
    assert told(service) == {OLD: (True, False, True)}


@pytest.mark.parametrize(("what", "meant"), [("tranformer", "transformer"), ("atention", "attention")])
def test_a_slip_in_what_to_train_is_met_with_what_was_meant(home, capsys, what, meant):
    assert run(["train", what, "-c", "birds", "--home", str(home)]) == 2
    assert f"did you mean '{meant}'?" in capsys.readouterr().err


def test_the_verdict_is_by_the_paired_test():
    many = {str(number): 0.5 for number in range(40)}
    worse = {number: 0.1 for number in many}
    assert verdict(many, worse, "new", "old")[0] is False
    assert verdict(worse, many, "new", "old") == (
        True,
        "new was adopted: nDCG@10 on 40 questions is +0.4000 against old (p = 0.0001), which is better by "
        "more than chance",
    )
    one_lost = many | {"0": 0.0}
    adopted, reason = verdict(many, one_lost, "new", "old")
    assert adopted and "worse by no more than chance" in reason
    assert verdict(many, many, "new", "old")[0] is True
    for after in (many, one_lost):
        adopted, reason = verdict(many, after, "tuned", "old", gain=True)
        assert not adopted and reason.startswith("tuned was not adopted") and "no better" in reason
    assert verdict(one_lost, many, "tuned", "old", gain=True)[0] is True


@pytest.mark.slow
def test_a_model_fine_tuned_by_the_shell_is_switched_to_and_given_up(home, service, capsys):
    for number, (bird, place) in enumerate(product(BIRDS, ("harbour", "garden", "cliff"))):
        text = f"The {bird} sings at night. Once it came down to drink in the {place} by day {number}."
        title = f"A {bird} near the {place}"
        service.put_document("birds", NewDocument(f"{bird}-{place}", f"{text} Nobody saw it go.", title))
    command = ["train", "transformer", "-c", "birds", "--home", str(home)]
    assert run([*command, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["before"] == OLD and summary["after"].startswith("tuned:1-")
    assert summary["held_out"] >= 20 and 0 <= summary["p_value"] <= 1
    tuned = summary["after"]
    assert told(service)[tuned] == (summary["adopted"], False, True)
    assert answer(service, encoder=tuned) != answer(service, encoder=OLD)
    folder = home / "tuned" / tuned.removeprefix("tuned:")
    assert folder.is_dir()
    assert summary["adopted"] == (summary["ndcg_after"] > summary["ndcg_before"])
    if summary["adopted"]:
        assert run(["encoders", "rollback", "-c", "birds", "--home", str(home)]) == 0
    assert run(["encoders", "--remove", tuned, "-c", "birds", "--home", str(home)]) == 0
    assert told(service) == {OLD: (True, False, True)} and not folder.exists()
