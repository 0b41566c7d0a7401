"""``xunyi evaluate`` and ``xunyi judgements`` on a collection: the figures are those of the folder."""

import io
import json

import pytest

from indexer import evaluation_tasks
from indexer.cli import run
from indexer.evaluation_records import JudgedQuestion
from indexer.records import NewDocument, UploadedFile
from indexer.service import Service
from indexer.settings import Settings
from indexer.worker import Worker
from tests.bad_files import lines

pytestmark = pytest.mark.usefixtures("models_opened_once")
SYSTEMS = "lexical,dense,hybrid,attention,attention:simple,dense:raw,transformer"
MEASURES = ("nDCG@10", "R@100", "RR@10")
BIRDS = "heron stork crane eagle falcon sparrow swallow robin thrush raven".split()


@pytest.fixture
def judged(tmp_path):
    folder = tmp_path / "judged"
    folder.mkdir()
    corpus = [
        {"_id": bird, "title": bird, "text": f"A {bird} nests by the {place}, far from every other {bird}."}
        for bird, place in zip(BIRDS, ("marsh", "cliff") * 5, strict=True)
    ]
    corpus.append({"_id": "茶 1", "title": "", "text": "乌龙茶的叶子经过摇青，半发酵。"})
    queries = [
        {"_id": "q1", "text": "where do herons nest"},
        {"_id": "q2", "text": "半发酵的茶"},
        {"_id": "q3", "text": "birds of the cliff"},
        {"_id": "q4", "text": "nobody judged this"},
    ]
    grades = ["q1\theron\t3", "q1\tstork\t0", "q2\t茶 1\t1", "q3\tstork\t1", "q3\teagle\t2", "q3\tgone\t1"]
    (folder / "corpus.jsonl").write_text(lines(*corpus), "utf-8")
    (folder / "queries.jsonl").write_text(lines(*queries), "utf-8")
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *grades]) + "\n", "utf-8")
    return folder


@pytest.fixture
def shell(home, monkeypatch, capsys):
    monkeypatch.setenv("XUNYI_HOME", str(home))

    def shell(*arguments):
        status = run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return status, shown.out, shown.err

    return shell


def figures(found):
    return {name: [values[each] for each in MEASURES] for name, values in found["systems"].items()}


def test_both_roads_lead_to_the_same_figures(judged, home, tmp_path, shell):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "models").symlink_to((home / "models").resolve())
    status, out, _ = shell("evaluate", judged, "--systems", SYSTEMS, "--json", "--home", scratch)
    assert status == 0
    by_folder = json.loads(out)
    assert shell("ingest", judged / "corpus.jsonl", "-c", "birds")[0] == 0
    status, out, _ = shell("judgements", "mine", "--from", judged, "-c", "birds", "--json")
    assert status == 0 and json.loads(out)["judged_questions"] == 3
    status, out, _ = shell("evaluate", "birds", "--systems", SYSTEMS, "--json")
    assert status == 0
    by_collection = json.loads(out)
    assert figures(by_collection) == figures(by_folder)
    assert by_collection["p_values"] == by_folder["p_values"]
    assert (by_collection["queries"], by_collection["missing_documents"]) == (3, 1)
    assert by_collection["documents"] == by_folder["documents"] == 11
    # stored, and shown again
    status, out, _ = shell("judgements", "mine", "-c", "birds")
    assert status == 0 and "mine: 4 questions, 3 judged, 6 grades" in out
    row = next(line for line in out.splitlines() if " lexical " in line)
    assert f"{by_folder['systems']['lexical']['nDCG@10']:.4f}" in row
    status, out, _ = shell("evaluate", "birds", "--judgements", "mine", "--systems", "lexical,dense")
    assert status == 0 and "1 of 5 judged documents are not stored" in out
    assert f"{by_folder['systems']['dense']['nDCG@10']:.4f}" in out


def test_files_go_in_and_out(judged, tmp_path, shell):
    shell("ingest", judged / "corpus.jsonl", "-c", "birds")
    shell("judgements", "mine", "--from", judged, "-c", "birds")
    assert shell("judgements", "mine", "-c", "birds", "--export", "qrels.tsv")[1].startswith("query-id\t")
    refused = shell("judgements", "mine", "-c", "birds", "--export", "qrels.txt")
    assert (refused[0], refused[1]) == (2, "") and "'茶 1' holds white space" in refused[2]
    topics, qrels = tmp_path / "topics.tsv", tmp_path / "qrels.txt"
    topics.write_text(shell("judgements", "mine", "-c", "birds", "--export", "topics.tsv")[1], "utf-8")
    qrels.write_text("q1 0 heron 3\nq3 0 eagle 2\n", "utf-8")
    given = ("--topics", topics, "--qrels", qrels)
    assert shell("judgements", "trec", *given, "-c", "birds")[0] == 0
    assert shell("judgements", "trec", "-c", "birds", "--export", "qrels.txt")[1] == qrels.read_text("utf-8")
    rankings = tmp_path / "run.txt"
    rankings.write_text("q1 Q0 stork 1 2.5 mine\nq1 Q0 heron 2 1.5 mine\n", "utf-8")
    told = shell("judgements", "trec", "--run", rankings, "-c", "birds", "--json")[1]
    made = json.loads(told)
    assert (made["system"], made["measures"]["RR@10"]) == ("mine", 0.25)
    again = shell("judgements", "--export-run", made["id"], "-c", "birds")[1]
    assert again == "q1 Q0 stork 1 2 mine\nq1 Q0 heron 2 1 mine\n"
    assert shell("judgements", "trec", "--remove", "-c", "birds")[0] == 0
    listed = json.loads(shell("judgements", "-c", "birds", "--json")[1])
    assert [each["name"] for each in listed["judgements"]] == ["mine"]


def test_a_wrong_line_is_told_and_nothing_is_imported(judged, shell):
    shell("ingest", judged / "corpus.jsonl", "-c", "birds")
    (judged / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq1\theron\t1\nq9\theron\t1\n", "utf-8")
    status, out, told = shell("judgements", "mine", "--from", judged, "-c", "birds")
    assert (status, out) == (2, "")
    assert told == "xunyi: qrels.tsv, line 3: there is no question 'q9' (invalid_input)\n"
    assert json.loads(shell("judgements", "-c", "birds", "--json")[1]) == {"judgements": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["evaluate", "birds"], "'birds' has 0 sets of judgements; import some with `xunyi judgements`"),
        (["evaluate", "brids"], "'brids' is no folder here, and there is no collection called 'brids'; did"),
        (["evaluate", "birds", "--judgements", "no"], "'birds' has no judgements 'no'; it has none yet"),
        (["evaluate", "birds", "--by", "kind"], "--encoder, --by and --calibration go with a folder"),
        (["evaluate", "birds", "--systems", "lexicl"], "no system 'lexicl' (did you mean 'lexical'?)"),
        (["evaluate", "/tmp", "--judgements", "x"], "'/tmp' is a folder here"),
        (["judgements", "--remove", "-c", "birds"], "say which judgements: xunyi judgements NAME ..."),
        (["judgements", "x", "--remove", "--export", "y", "-c", "birds"], "give one of --from, --topics"),
        (["judgements", "--topics", "/dev/null", "-c", "birds"], "--topics and --qrels go together"),
        (["judgements", "x", "--export", "qrels", "-c", "birds"], "there is no file 'qrels' (did you mean"),
    ],
)
def test_wrong_use_is_one_sentence(shell, home, arguments, told):
    service = Service.open(Settings.from_environment({}, home=home))
    service.put_document("birds", NewDocument("heron", "A heron."))
    service.close()
    status, out, shown = shell(*arguments)
    assert (status, out, len(shown.splitlines())) == (2, "", 1)
    assert told in shown


@pytest.fixture
def service(home, judged):
    service = Service.open(Settings.from_environment({}, home=home))
    for bird in BIRDS:
        service.put_document("birds", NewDocument(bird, f"A {bird} nests by the marsh."))
    service.judgements.put(
        "birds",
        "mine",
        [JudgedQuestion(f"q{n}", f"the nest of a {bird}", {bird: 1}) for n, bird in enumerate(BIRDS)],
    )
    yield service
    service.close()


def worked(service, kind=Worker):
    with service.cache_lock.held("a test", service.clock()):
        worker = kind(service)
        worker.run_until_idle()


def test_a_worker_measures_and_tells_how_far_it_is(service):
    task = service.evaluations.enqueue("birds", "mine", ["lexical", "dense"])
    assert (task.state, task.total) == ("enqueued", 200)
    worked(service)
    ended = service.task(task.id)
    assert (ended.state, ended.done, ended.error) == ("succeeded", 200, None)
    runs = service.evaluations.newest("birds", "mine")
    assert [run.system for run in runs] == ["dense", "lexical"]
    assert runs[1].measures == {"nDCG@10": 1.0, "R@100": 1.0, "RR@10": 1.0}
    assert runs[0].settings["encoder"] == "multilingual-e5-small"
    assert len(runs[0].settings["encoder_fingerprint"]) == 64


def test_a_task_that_is_stopped_goes_on_with_the_system_it_had_not_stored(service, monkeypatch):
    begun = []
    put = evaluation_tasks.opened
    monkeypatch.setattr(evaluation_tasks, "opened", lambda *asked: begun.append(asked[2]) or put(*asked))

    class Stopped(Worker):
        def _minding_others(self):
            def note(step):
                if (step.name, step.number) == ("dense", 3):
                    self.stop.set()
                inner(step)

            inner = super()._minding_others()
            return note

    task = service.evaluations.enqueue("birds", "mine", ["lexical", "dense"])
    worked(service, Stopped)
    assert service.task(task.id).state == "enqueued"
    assert [run.system for run in service.evaluations.newest("birds")] == ["lexical"]
    worked(service)
    assert service.task(task.id).state == "succeeded"
    assert [run.system for run in service.evaluations.newest("birds")] == ["dense", "lexical"]
    assert begun == ["lexical", "dense", "dense"]


def test_uploads_are_taken_minding_others_questions_and_a_cancel_ends_it(service):
    task = service.evaluations.enqueue("birds", "mine", ["lexical", "dense"])
    uploads = []

    class Busy(Worker):
        def _minding_others(self):
            inner = super()._minding_others()

            def note(step):
                if (step.name, step.number) == ("lexical", 2):
                    uploads.append(
                        service.upload("birds", [UploadedFile("gull.txt", io.BytesIO(b"A gull."))])
                    )
                if (step.name, step.number) == ("lexical", 3):
                    assert service.task(uploads[0].id).state == "succeeded"
                if (step.name, step.number) == ("dense", 2):
                    service.cancel_task(task.id)
                inner(step)

            return note

    worked(service, Busy)
    assert service.task(task.id).state == "canceled"
    assert service.document("birds", "gull.txt").text == "A gull."
    (run,) = service.evaluations.newest("birds")
    assert run.system == "lexical" and run.last_change_number == run.change_number + 1
