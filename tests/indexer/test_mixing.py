"""``xunyi train mix`` through the real shell, store and model: what is fitted, and what ranks."""

import json
import shutil

import numpy as np
import pytest

from indexer import mixing
from indexer.cli import run
from indexer.records import NewDocument
from indexer.settings import Settings
from indexer.store import calibrations, collections, mixes
from indexer.store.calibrations import METHOD
from search.attending import WEIGHTS
from search.errors import InvalidInput
from search.evaluation.judged import Judged, Query, read_judgements
from search.model import SearchRequest
from search.ranking.attention import Simple
from tests.homes import opened
from web.app import create_app

pytestmark = pytest.mark.slow  # a collection is stored, and an encoder fit on it, before anything is asked

QUESTIONS = 66
WORDS = (
    "garden river window table morning letter market bridge mountain winter kettle lantern saddle anchor "
    "violin candle ladder mirror bucket hammer harbour orchard station chapel valley meadow forest island "
    "castle engine"
).split()
GENERATOR = np.random.default_rng(20240501)
DOCUMENTS = {f"d{number}": " ".join(GENERATOR.choice(WORDS, 6)) for number in range(70)}
QUERIES = [Query(str(number), " ".join(GENERATOR.choice(WORDS, 4)), {}) for number in range(QUESTIONS)]


def judged_by_lsi(service):
    """Return judgements that are just what lsi finds: whoever learns from them has to learn to trust it."""
    grades = {}
    for query in QUERIES:
        request = SearchRequest(query.text, mode="dense", encoder="lsi", limit=3)
        grades[query.id] = {hit.key: 1 for hit in service.search("bags", request).hits}
    return Judged("bags", tuple(QUERIES), grades)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    lines = [json.dumps({"key": key, "text": text}) for key, text in DOCUMENTS.items()]
    (home / "bags.jsonl").write_text("\n".join(lines), "utf-8")
    assert run(["ingest", str(home / "bags.jsonl"), "-c", "bags", "--home", str(home)]) == 0
    assert run(["train", "lsi", "-c", "bags", "--home", str(home)]) == 0
    folder = home / "judged"
    folder.mkdir()
    (folder / "queries.jsonl").write_text(
        "".join(json.dumps({"_id": query.id, "text": query.text}) + "\n" for query in QUERIES)
    )
    with opened(home) as service:
        judged = judged_by_lsi(service)
    rows = [f"{query}\t{key}\t1" for query, keys in judged.judgements.items() for key in keys]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
    return home


@pytest.fixture(scope="module")
def mixed(stored, tmp_path_factory):
    """The home after its mix was fitted, and what the command said."""
    home = tmp_path_factory.mktemp("mixed") / "home"
    shutil.copytree(stored, home, symlinks=True)
    with opened(home) as service:
        summary = mixing.train_mix(service, "bags", read_judgements(stored / "judged"))
    return home, summary


@pytest.fixture
def copied(mixed, tmp_path):
    shutil.copytree(mixed[0], tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def rows(result):
    return [(hit.key, hit.score, dict(hit.parts)) for hit in result.hits]


def search(service, **changes):
    return service.search("bags", SearchRequest(QUERIES[5].text, explain=True, **changes))


def test_a_mix_that_answers_held_out_questions_better_is_put_into_use(mixed):
    home, summary = mixed
    assert summary.adopted and summary.in_use == summary.weights
    assert summary.questions == QUESTIONS
    assert summary.ndcg_after > summary.ndcg_before + 0.02 and summary.p_value < 0.01
    assert summary.weights["lsi"] > 0.05
    assert len(summary.folds) == 5 and all(fold["lsi"] > 0.05 for fold in summary.folds)
    assert "fitted mix was adopted" in summary.reason
    with opened(home) as service, service.database.read() as connection:
        row = mixes.in_use(connection, collections.get(connection, "bags"))
        assert row.weights == summary.weights
        assert row.figures["ndcg_after"] == summary.ndcg_after
        assert set(row.made_of) == {"transformer", "attention", "lsi"}


def test_what_the_encoder_says_is_a_part_of_every_score(mixed):
    home, summary = mixed
    with opened(home) as service:
        result = search(service)
        dense = service.search("bags", SearchRequest(QUERIES[5].text, mode="dense", encoder="lsi", limit=70))
        usual = service.search("bags", SearchRequest(QUERIES[5].text), Simple())
    cosines = {hit.key: hit.score for hit in dense.hits}
    assert result.mode == "attention" and not result.degraded
    assert [hit.key for hit in result.hits] != [hit.key for hit in usual.hits]
    for hit in result.hits:
        assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-12)
        told = hit.explanation["lsi"]
        assert told["factor"] == summary.weights["lsi"]
        assert told["factor"] * told["cosine"] == pytest.approx(hit.parts["lsi"], abs=1e-12)
        assert told["cosine"] == pytest.approx(cosines.get(hit.key, 0.0), abs=1e-6)


def test_without_judgements_and_after_going_back_not_a_bit_is_another(stored, copied, capsys):
    with opened(stored) as service:
        before = rows(search(service))
        alone = rows(service.search("bags", SearchRequest(QUERIES[5].text, explain=True), Simple()))
    assert before == alone
    with opened(copied) as service:
        assert rows(search(service)) != before
    capsys.readouterr()
    back = ["train", "mix", "--kind", "usual", "-c", "bags", "--home", str(copied)]
    assert run(back) == 0
    told = capsys.readouterr().out
    assert "the usual mix ranks" in told and "in use: attention 1, dense 0.400, lexical 0.400" in told
    with opened(copied) as service:
        assert rows(search(service)) == before


def test_once_its_encoder_is_fit_again_or_removed_the_usual_mix_ranks_and_answers_say_so(stored, copied):
    with opened(stored) as service:
        usual = rows(search(service))
    with opened(copied) as service:
        assert "lsi" in search(service).hits[0].parts
        service.remove_encoder("bags", "lsi")
        removed = search(service)
        assert rows(removed) == usual
        (told,) = removed.degraded
        assert "changed since: lsi" in told and "xunyi train mix -c bags" in told
    assert run(["train", "lsi", "-c", "bags", "--home", str(copied)]) == 0
    with opened(copied) as service:
        again = search(service)  # the same texts and seed make the same encoder
        assert "lsi" in again.hits[0].parts and not again.degraded
    assert run(["train", "lsi", "--seed", "3", "-c", "bags", "--home", str(copied)]) == 0
    with opened(copied) as service:
        another = search(service)
        assert rows(another) == usual and len(another.degraded) == 1


def test_what_is_stored_later_is_ranked_by_the_mix_at_once(copied):
    with opened(copied) as service:
        search(service)
        service.put_document("bags", NewDocument("late", QUERIES[5].text))
        hits = search(service).hits
    late = next(hit for hit in hits if hit.key == "late")
    assert late.parts["lsi"] > 0


def test_a_mix_has_a_calibration_of_its_own(mixed, stored):
    told = []
    for home in (stored, mixed[0]):
        with opened(home) as service, service.database.read() as connection:
            told.append(calibrations.made_of(connection, collections.get(connection, "bags"), "c"))
    assert told[0] == f"{METHOD} c simple" and told[1].startswith(f"{METHOD} c simple mix ")


def test_judgements_that_nothing_agrees_with_are_not_adopted(stored, tmp_path):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    keys = list(DOCUMENTS)
    wrong = {query.id: {str(GENERATOR.choice(keys)): 1} for query in QUERIES}
    with opened(tmp_path / "home") as service:
        before = rows(search(service))
        summary = mixing.train_mix(service, "bags", Judged("wrong", tuple(QUERIES), wrong))
        assert not summary.adopted and summary.in_use == WEIGHTS
        assert "was not adopted" in summary.reason
        assert rows(search(service)) == before


def test_few_questions_are_refused_in_a_sentence(stored):
    few = Judged("few", tuple(QUERIES[:59]), {query.id: {"d1": 1} for query in QUERIES})
    with opened(stored) as service, pytest.raises(InvalidInput, match="has 59 judged questions"):
        mixing.train_mix(service, "bags", few)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "say what the mix is to be fitted on"),
        (["--kind", "causal"], "a mix has no kind 'causal'"),
        (["--kind", "usual", "--judgements", "."], "say what the mix is to be fitted on"),
    ],
)
def test_a_wrong_use_is_told(stored, capsys, more, told):
    assert run(["train", "mix", "-c", "bags", "--home", str(stored), *more]) == 2
    assert told in capsys.readouterr().err


def test_the_shell_tells_of_every_fold(stored, tmp_path, capsys):
    shutil.copytree(stored, tmp_path / "home", symlinks=True)
    judged = str(stored / "judged")
    capsys.readouterr()
    command = ["train", "mix", "-c", "bags", "--judgements", judged, "--home", str(tmp_path / "home")]
    assert run(command) == 0
    told = capsys.readouterr().out
    assert f"a mix was fitted on {QUESTIONS} judged questions" in told
    assert all(f"fold {number}: attention 1, dense" in told for number in range(1, 6))
    assert "in use: attention 1" in told and "lsi" in told


def test_api_and_page_show_the_part_of_every_encoder(mixed):
    app = create_app(Settings.from_environment({}, mixed[0]))
    client = app.test_client()
    body = {"query": QUERIES[5].text, "explain": True}
    (hit, *_) = client.post("/v1/collections/bags/search", json=body).json["hits"]
    assert list(hit["parts"]) == ["attention", "dense", "lexical", "lsi"]
    assert hit["explanation"]["lsi"]["factor"] == mixed[1].weights["lsi"]
    page = client.get("/", query_string={"q": QUERIES[5].text, "collection": "bags"}).text
    assert f'<span class="part lsi">lsi {hit["parts"]["lsi"]:.3f}</span>' in page


def test_evaluate_answers_each_question_by_weights_that_were_fitted_without_it(mixed, tmp_path, capsys):
    home, summary = mixed
    folder = tmp_path / "bags"
    shutil.copytree(home / "judged", folder)
    lines = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in DOCUMENTS.items()]
    (folder / "corpus.jsonl").write_text("\n".join(lines), "utf-8")
    capsys.readouterr()
    scratch = tmp_path / "home"
    scratch.mkdir()
    (scratch / "models").symlink_to((home / "models").resolve())
    command = ["evaluate", str(folder), "--systems", "attention,mix,lsi", "--json", "--home", str(scratch)]
    assert run(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert [sorted(fold) for fold in found["mixed"]] == [sorted(fold) for fold in summary.folds]
    for fold, other in zip(found["mixed"], summary.folds, strict=True):
        assert fold == pytest.approx(other, rel=1e-3)
    # What was found in the tables of the fit is what searches answer.
    assert found["systems"]["attention"]["nDCG@10"] == pytest.approx(summary.ndcg_before, abs=1e-6)
    assert found["systems"]["mix"]["nDCG@10"] == pytest.approx(summary.ndcg_after, abs=1e-6)
    assert found["systems"]["lsi"]["nDCG@10"] == pytest.approx(1.0)
    assert found["p_values"]["mix"]["attention"] < 0.01
