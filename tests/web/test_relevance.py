"""Relevance through the real edges: the demo's articles, asked about what is in them and what is not."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from indexer.calibrating import Calibrator
from indexer.cli import run
from indexer.ingest import ingest_paths
from indexer.service import Service
from indexer.settings import Settings
from indexer.store import calibrations, collections
from indexer.store.tables import CalibrationRow, TokenStatesRow
from indexer.worker import Worker
from search.errors import NotCalibrated
from web.app import create_app
from web.service import EXTENSION

CORPUS = Path(__file__).parents[2] / "indexer" / "demo"
FOREIGN = (
    "shock wave boundary layer interaction at hypersonic speed",
    "how do I rebase a branch without losing commits",
    "contango in crude oil futures",
    "which antibiotics treat leptospirosis",
    "double entry bookkeeping of a leased excavator",
    "怎样在组件里监听路由参数的变化",
    "个人所得税专项附加扣除怎么申报",
    "显卡驱动安装失败怎么办",
    "世界杯历届冠军名单",
    "房屋租赁合同范本",
)
"""Nothing in the demo's articles is about any of these."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("relevance")
    (home / "models").symlink_to(models_folder)
    return Settings.from_environment({}, home=home)


@pytest.fixture(scope="module")
def service(settings):
    service = Service.open(settings)
    service.ensure_collection("demo")
    ingest_paths(service, "demo", [CORPUS / "corpus.jsonl"])
    yield service
    service.close()


@pytest.fixture(scope="module")
def client(settings, service):
    app = create_app(settings)
    yield app.test_client()
    app.extensions[EXTENSION].get().close()


def ask(client, query, **body):
    return client.post("/v1/collections/demo/search", json={"query": query, **body})


def judged():
    lines = (CORPUS / "queries.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_questions_about_other_things_are_told_that_nothing_is_relevant(client):
    answers = [ask(client, question).json for question in FOREIGN]
    assert [answer["nothing_relevant"] for answer in answers] == [True] * len(FOREIGN)
    assert all(len(answer["hits"]) == 10 for answer in answers)


def test_most_questions_about_the_articles_are_not(client):
    answers = [ask(client, question).json for question in judged()[::4]]
    told = sum(answer["nothing_relevant"] for answer in answers)
    assert told <= len(answers) // 2
    for answer in answers:
        if max(hit["relevance"] for hit in answer["hits"]) >= 0.9:
            assert not answer["nothing_relevant"]
    alone = [ask(client, question, limit=1).json for question in judged()[::4]]
    assert [answer["nothing_relevant"] for answer in alone] == [
        answer["nothing_relevant"] for answer in answers
    ]


def test_relevance_is_the_stored_normal_distribution_of_the_parts(client, service):
    with service.database.read() as connection:
        stored = calibrations.of_collection(connection, collections.get(connection, "demo"))
    for question, language in (("how do bees find flowers", "en"), ("茶叶怎样发酵", "zh")):
        for hit in ask(client, question).json["hits"]:
            score = sum(part for name, part in hit["parts"].items() if name != "language")
            expected = normal_share((score - stored[language].centre) / stored[language].spread)
            assert hit["relevance"] == pytest.approx(expected, abs=1e-6)


def normal_share(deviations):
    """The normal distribution by another way: the trapezoid rule over its density."""
    steps = 20_000
    low = -12.0
    width = (deviations - low) / steps
    density = [2.718281828459045 ** (-((low + place * width) ** 2) / 2) for place in range(steps + 1)]
    return (sum(density) - (density[0] + density[-1]) / 2) * width / 2.5066282746310002


def test_what_is_less_relevant_than_asked_for_is_left_out(client):
    whole = ask(client, judged()[0]).json["hits"]
    middle = sorted(hit["relevance"] for hit in whole)[5]
    kept = ask(client, judged()[0], min_relevance=middle).json["hits"]
    assert [hit["key"] for hit in kept] == [hit["key"] for hit in whole if hit["relevance"] >= middle]
    by_address = client.get(
        "/v1/collections/demo/search", query_string={"q": FOREIGN[0], "min_relevance": "0.9"}
    ).json
    assert (by_address["hits"], by_address["nothing_relevant"]) == ([], True)


@pytest.mark.parametrize("lowest", [-0.1, 1.5])
def test_a_relevance_out_of_range_is_refused(client, lowest):
    refused = ask(client, "tea", min_relevance=lowest)
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    assert "from 0 to 1" in refused.json["detail"]


def test_other_modes_tell_no_relevance(client):
    refused = ask(client, "tea", mode="hybrid", min_relevance=0.5)
    assert (refused.status_code, refused.json["code"]) == (422, "invalid_input")
    plain = ask(client, "tea", mode="hybrid").json
    assert plain["nothing_relevant"] is None
    assert {hit["relevance"] for hit in plain["hits"]} == {None}


def test_the_page_says_that_nothing_is_relevant_in_both_languages(client):
    relevant = next(text for text in judged() if not ask(client, text).json["nothing_relevant"])
    for spoken, words in (("en", "Nothing relevant was found"), ("zh", "没有找到真正相关的内容")):
        headers = {"Accept-Language": spoken}
        foreign = client.get("/", query_string={"q": FOREIGN[2], "collection": "demo"}, headers=headers)
        own = client.get("/", query_string={"q": relevant, "collection": "demo"}, headers=headers)
        assert words in foreign.text and words not in own.text
        assert "<article>" in foreign.text


def test_the_shell_says_so_too(settings, service, capsys):
    home = ["-c", "demo", "--home", str(settings.home)]
    assert run(["search", FOREIGN[0], *home]) == 0
    assert "Nothing relevant: what follows is nearest" in capsys.readouterr().out
    assert run(["search", FOREIGN[0], "--min-relevance", "0.9", *home]) == 1
    assert "Nothing relevant was found." in capsys.readouterr().out
    assert run(["search", "tea", "--min-relevance", "2", *home]) == 2
    assert "from 0 to 1" in capsys.readouterr().err


def test_few_passages_are_not_calibrated_and_that_is_said(client, settings, capsys):
    client.put("/v1/collections/few/documents/a", json={"text": "Tea is picked in spring."})
    assert client.post("/v1/collections/few/search", json={"query": "tea"}).json["nothing_relevant"] is None
    said = "How relevant these are cannot be told yet: that takes 50 passages"
    assert said in client.get("/?q=tea&collection=few").text
    assert "现在还说不上来：集合要有 50 个段落" in client.get("/?q=tea&collection=few&lang=zh").text
    assert said not in client.get("/?q=tea&collection=few&mode=dense&lang=en").text
    assert said not in client.get("/?q=tea&collection=demo").text
    refused = client.post("/v1/collections/few/search", json={"query": "tea", "min_relevance": 0.5})
    assert (refused.status_code, refused.json["code"]) == (409, "not_calibrated")
    assert run(["calibrate", "-c", "few", "--home", str(settings.home)]) == 2
    assert "1 passages; of fewer than 50" in capsys.readouterr().err


@pytest.mark.slow
def test_judged_answers_have_their_say_and_keep_it(settings, service, capsys):
    arguments = ["calibrate", "-c", "demo", "--home", str(settings.home), "--json"]
    assert run([*arguments, "--judgements", str(CORPUS)]) == 0
    refined = json.loads(capsys.readouterr().out)["calibrations"]
    levels = [one["level"] for one in refined.values()]
    assert 0.3 < min(levels) < 0.9 and max(levels) <= 0.9  # judged answers only ever lower them
    with service.database.read() as connection:
        found = collections.get(connection, "demo")
        stored = calibrations.of_collection(connection, found)
    assert {language: one.judged > 20 for language, one in stored.items()} == {"en": True, "zh": True}
    texts = [{"key": f"more-{place}", "text": f"Note {place}: nothing much."} for place in range(60)]
    list(service.bulk("demo", [json.dumps(text).encode() for text in texts]))
    worker = Worker(service)
    with service.cache_lock.held("a test", service.clock()):
        worker.run_until_idle()
    with service.database.read() as connection:
        again = calibrations.of_collection(connection, collections.get(connection, "demo"))
    assert {one.passages for one in again.values()} == {one.passages + 60 for one in stored.values()}
    assert {language: one.level for language, one in again.items()} == {
        language: one["level"] for language, one in refined.items()
    }
    service.delete_documents("demo", [text["key"] for text in texts])
    assert run(arguments) == 0
    plain = json.loads(capsys.readouterr().out)["calibrations"]
    assert {one["level"] for one in plain.values()} == {0.9}


def test_what_attention_does_not_rank_is_not_calibrated(settings, service, capsys):
    """The last of this file, since it leaves the home with damaged token states."""
    with service.database.write() as connection:
        connection.execute(sa.update(TokenStatesRow).values(states=b"damaged"))
        connection.execute(sa.delete(CalibrationRow))
    with service.database.read() as connection:
        found = collections.get(connection, "demo")
    with pytest.raises(NotCalibrated, match="worker --once"):
        Calibrator(service).calibrate(found)
    assert run(["calibrate", "-c", "demo", "--home", str(settings.home)]) == 2
    assert "token states that are whole" in capsys.readouterr().err
    with service.database.read() as connection:
        assert calibrations.of_collection(connection, found) == {}
    assert not Calibrator(service).calibrate(found, stopped=lambda: True)
