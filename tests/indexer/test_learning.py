"""``xunyi train attention`` through the real shell, store and model: what learns, and what ranks."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import sqlalchemy as sa

from indexer.cli import run
from indexer.learning import verdict
from indexer.store.tables import RankerRow, TaskRow
from tests.homes import opened

pytestmark = pytest.mark.slow  # a collection is trained before anything is asked: a minute

THINGS = "kettle lantern saddle anchor violin candle ladder mirror bucket hammer".split()
PLACES = "harbour orchard station chapel market valley".split()
FACTS = (
    "The {thing} in the {place} was repaired with copper wire.",
    "Children of the {place} drew the {thing} on a wall.",
    "A storm carried the {thing} away from the {place} in spring.",
)

SEARCHING = """
import sys
from indexer.cli import run
assert run(["search", "who repaired the kettle", "-c", "things", "--home", sys.argv[1], "--json"]) == 0
print("torch" in sys.modules, file=sys.stderr)
"""


def documents():
    for number, (thing, place) in enumerate((thing, place) for thing in THINGS for place in PLACES):
        text = "\n\n".join(fact.format(thing=thing, place=place) for fact in FACTS)
        yield {"key": f"{number}", "title": f"{thing} of the {place}".capitalize(), "text": text}


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    """A home with sixty small documents."""
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    (home / "things.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents()), "utf-8")
    assert run(["ingest", str(home / "things.jsonl"), "-c", "things", "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="module")
def trained(stored, tmp_path_factory):
    """The home after a training, whose result ranks whatever its test said."""
    home = tmp_path_factory.mktemp("trained") / "home"
    shutil.copytree(stored, home, symlinks=True)
    assert run([*command(home, "trainable"), "--json"]) == 0
    with opened(home) as service, service.database.write() as connection:
        connection.execute(sa.update(RankerRow).values(in_use=True))
    return home


@pytest.fixture
def copied(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def command(home, kind, *more):
    return ["train", "attention", "--kind", kind, "-c", "things", "--home", str(home), *more]


def told(capsys, *arguments):
    capsys.readouterr()
    assert run([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def search(capsys, home):
    return told(capsys, "search", "who repaired the kettle", "-c", "things", "--explain", "--home", home)


# The test that decides, by hand


def scores(*values):
    return {str(place): value for place, value in enumerate(values)}


@pytest.mark.parametrize(
    ("gains", "adopted", "why"),
    [
        ([0.05] * 30, True, "was adopted"),
        ([0.0] * 30, False, "no better"),
        ([-0.05] * 30, False, "no better"),
        ([0.05] * 3, False, "may be chance"),  # three questions show nothing: p is 1/4 at best
        ([0.4, -0.3] * 15, False, "may be chance"),
    ],
)
def test_only_what_is_better_by_more_than_chance_is_adopted(gains, adopted, why):
    found = verdict(scores(*[0.5] * len(gains)), scores(*(0.5 + gain for gain in gains)), "causal", "simple")
    assert found[0] is adopted
    assert why in found[1]
    assert f"{np.mean(gains):+.4f}" in found[1]


# The whole way


def test_a_training_is_noted_with_its_test_and_its_task(trained):
    with opened(trained) as service:
        with service.database.read() as connection:
            row = connection.execute(sa.select(RankerRow.__table__)).one()
            task = connection.execute(sa.select(TaskRow.__table__)).one()
            passages = service.collection("things").passages
        encoder = service.models.encoder("multilingual-e5-small")
    assert passages == 60
    assert (row.kind, row.encoder_fingerprint) == ("trainable", encoder.fingerprint)
    assert row.figures["source"] == "texts" and row.figures["before"] == "simple"
    assert row.figures["held_out"] >= 20 and row.figures["learned_from"] >= 40
    assert 0 <= row.figures["ndcg_before"] <= 1 and 0 < row.figures["p_value"] <= 1
    assert (task.kind, task.state, task.done, task.total) == ("training", "succeeded", 300, 300)
    assert {path.name for path in (trained / "rankers").iterdir()} == {row.folder}


def test_what_was_learned_ranks_and_explains_its_score(trained, stored, capsys):
    found, simple = search(capsys, trained), search(capsys, stored)
    assert (found["mode"], found["degraded"]) == ("attention", [])
    assert found["hits"][0]["parts"]["attention"] != simple["hits"][0]["parts"]["attention"]
    for hit in found["hits"]:
        assert hit["score"] == pytest.approx(sum(hit["parts"].values()), abs=1e-9)
        carried = np.sum(hit["explanation"]["attention"]["carried"])
        assert carried == pytest.approx(hit["parts"]["attention"], abs=1e-6)


def test_serving_what_was_learned_imports_no_torch(trained):
    done = subprocess.run(
        [sys.executable, "-c", SEARCHING, str(trained)], capture_output=True, encoding="utf-8", check=True
    )
    assert done.stderr.split()[-1] == "False"
    assert json.loads(done.stdout)["degraded"] == []


@pytest.mark.parametrize("harm", ["damaged", "missing"])
def test_without_its_files_simple_attention_answers_and_says_so(copied, stored, capsys, harm):
    (folder,) = (path for path in (copied / "rankers").iterdir() if path.is_dir())
    if harm == "missing":
        shutil.rmtree(folder)
    else:
        (folder / "maps.safetensors").chmod(0o644)
        data = bytearray((folder / "maps.safetensors").read_bytes())
        data[len(data) // 2] ^= 1
        (folder / "maps.safetensors").write_bytes(data)
    found = search(capsys, copied)
    assert (
        len(found["degraded"]) == 1 and "learned attention (trainable) is out of use" in found["degraded"][0]
    )
    # What is usual for the learned one says nothing of what simple attention scores.
    simple = [hit | {"relevance": None} for hit in search(capsys, stored)["hits"]]
    assert found["hits"] == simple


def test_simple_goes_back_and_deleting_takes_the_files(copied, stored, capsys):
    found = told(capsys, *command(copied, "simple"))
    assert (found["in_use"], found["before"]) == ("simple", "trainable")
    assert search(capsys, copied)["hits"] == search(capsys, stored)["hits"]
    assert run(["collections", "--delete", "things", "--yes", "--home", str(copied)]) == 0
    assert [path.name for path in (copied / "rankers").iterdir()] == []


def test_judgements_that_say_nothing_teach_nothing_that_is_used(stored, tmp_path, capsys):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    wrong = np.random.default_rng(3).permutation(60).tolist()
    titles = [each["title"] for each in documents()]
    lines = [
        json.dumps({"_id": f"q{place}", "text": f"where is the {title}"})
        for place, title in enumerate(titles)
    ]
    (tmp_path / "queries.jsonl").write_text("\n".join(lines), "utf-8")
    judged = [f"q{place}\t{other}\t1" for place, other in enumerate(wrong)]
    header = "query-id\tcorpus-id\tscore"
    (tmp_path / "qrels.tsv").write_text("\n".join([header, *judged]) + "\n", "utf-8")
    found = told(capsys, *command(tmp_path / "home", "trainable", "--judgements", str(tmp_path)))
    assert (found["source"], found["adopted"], found["in_use"]) == ("judgements", False, "simple")
    assert found["learned_from"] + found["held_out"] <= 60
    assert search(capsys, tmp_path / "home")["hits"] == search(capsys, stored)["hits"]


# What is wrong is told in a sentence


def refusal(capsys, *arguments):
    capsys.readouterr()
    assert run(list(map(str, arguments))) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = [line for line in shown.err.splitlines() if line.startswith("xunyi: ")]
    return line


def test_bad_input_is_one_sentence_and_status_2(stored, tmp_path, capsys):
    home = tmp_path / "home"
    shutil.copytree(stored, home, symlinks=True)
    assert "there is no attention 'causl' (did you mean 'causal'?)" in refusal(
        capsys, *command(home, "causl")
    )
    unknown = ["train", "attention", "--kind", "causal", "-c", "thing", "--home", home]
    assert "did you mean 'things'?" in refusal(capsys, *unknown)
    assert "no encoder 'words' can be fit" in refusal(
        capsys, "train", "words", "--kind", "causal", "--home", home
    )
    assert "go with: xunyi train attention" in refusal(
        capsys, "train", "lsi", "--kind", "causal", "--home", home
    )
    assert "say which kind of attention" in refusal(capsys, "train", "attention", "--home", home)
    assert run(["collections", "--create", "empty", "--home", str(home)]) == 0
    empty = ["train", "attention", "--kind", "causal", "-c", "empty", "--home", home]
    assert "'empty' has 0 questions in its texts, too few to learn from" in refusal(capsys, *empty)
    judgements = [*command(home, "causal"), "--judgements", tmp_path]
    assert "it has no queries.jsonl (invalid_input)" in refusal(capsys, *judgements)
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "which"}\n', "utf-8")
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\tmany\n", "utf-8")
    assert "qrels.tsv, line 2: give query, document and a whole number" in refusal(capsys, *judgements)
    (tmp_path / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n", "utf-8")
    assert "has 1 judged questions whose answers are stored, too few" in refusal(capsys, *judgements)
    with opened(home) as service:
        assert [task.state for task in service.tasks()] == ["failed"] * 2
