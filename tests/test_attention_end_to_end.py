"""Attention through the real shell, store and model: small collections, odd characters, true explanations."""

import json

import pytest

from indexer.cli import run

PAGES = {
    "拉萨.md": "# 拉萨三日\n第一天不要洗头，慢慢走路，多喝水，避免高原反应。布达拉宫要提前一天预约。",
    "昆明.md": "# 昆明花市\n斗南花市晚上八点开始拍卖，玫瑰论把卖。云南的菌子季在七月，见手青一定要炒熟。",
    "茶.md": "# 云南高山茶\n勐海的高山茶生长在海拔一千六百米以上，香气足，回甘快。",
    "车.md": "# 修自行车\n链条脱落时先把变速拨到最小的飞轮，再把链条挂上去。",
    "饭.md": "# 焖米饭\n米和水一比一点二，泡二十分钟再开火。",
    "headache.md": "# Migraine diary\nWhat to do when the headache comes: a dark room, the tablet early.",
    "storm.md": "# Mountain weather\nStorms build after noon; start early and turn round in time.",
    "sting.md": "# Calm in an emergency\nIf someone reacts badly to a sting, call for help at once.",
    "tax.md": "# Tax return\nKeep receipts for seven years; the form is due in January.",
    "bread.md": "# Sourdough\nFeed the starter at night and bake in the morning in a hot pot.",
    "roses.md": "# Pruning roses\nCut above an outward bud in late winter.",
    "router.md": "# Home network\nThe router restarts when it overheats; move it off the carpet.",
    "odd.md": (
        "# Odds and ends 🎒\n🍵🍵 Ｃａｆｅ\u0301 ｃｕｐｓ stand beside the cafe\u0301's cupboard. "
        "電腦軟體壞了，請重新開機。👩‍👩‍👧 Families wait 🕰️ outside."
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory, models_folder):
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("files") / "pages"
    (home / "models").symlink_to(models_folder)
    folder.mkdir()
    for name, text in PAGES.items():
        (folder / name).write_text(text, "utf-8")
    assert run(["ingest", str(folder), "--home", str(home)]) == 0
    return home


def answer(capsys, home, *arguments):
    capsys.readouterr()
    assert run([*arguments, "--home", str(home), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("高原反应怎么办", "拉萨.md"),
        ("高山茶", "茶.md"),
        ("链条掉了", "车.md"),
        ("how to avoid altitude sickness", "拉萨.md"),
        ("cooking rice", "饭.md"),
        ("被蜂蜇了", "sting.md"),
        ("网络老是断", "router.md"),
        ("bee sting", "sting.md"),
    ],
)
def test_a_short_question_finds_its_answer_in_a_small_collection_of_two_languages(
    home, capsys, question, name
):
    found = answer(capsys, home, "search", question)
    assert (found["mode"], found["exact"], found["degraded"]) == ("attention", True, [])
    assert found["hits"][0]["key"] == f"pages/{name}"


@pytest.mark.parametrize(
    ("question", "marked"),
    [
        ("電腦軟體", {"電腦", "軟體"}),
        ("电脑坏了", {"電腦", "壞"}),
        ("café cupboard", {"cafe\u0301's", "cupboard"}),
        ("cups", {"ｃｕｐｓ"}),
        ("families waiting outside", {"Families", "wait", "outside"}),
    ],
)
def test_explained_words_stand_where_they_say_among_odd_characters(home, capsys, question, marked):
    text = answer(capsys, home, "search", "电脑", "-n", "1")["hits"][0]["passage"]["text"]
    found = answer(
        capsys, home, "search", question, "--explain", "--filter", '{"document.key": "pages/odd.md"}'
    )
    (hit,) = found["hits"]
    begin = hit["passage"]["start"]
    assert hit["passage"]["text"] == text
    told = hit["explanation"]["attention"]
    assert [question[word["start"] : word["end"]] for word in told["query"]] == [
        word["text"] for word in told["query"]
    ]
    inside = [word for word in told["passage"] if word["start"] is not None]
    assert [text[word["start"] - begin : word["end"] - begin] for word in inside] == [
        w["text"] for w in inside
    ]
    assert sum(map(sum, told["carried"])) == pytest.approx(hit["parts"]["attention"], abs=1e-6)
    shown = {text[mark["start"] - begin : mark["end"] - begin] for mark in hit["highlights"]}
    assert marked <= shown


def test_words_of_a_title_are_told_without_a_place(home, capsys):
    (hit,) = answer(capsys, home, "search", "sourdough", "--explain", "-n", "1")["hits"]
    told = hit["explanation"]["attention"]["passage"]
    assert told[0] == {"text": "Sourdough", "start": None, "end": None}


def test_the_documents_most_like_another_may_be_in_the_other_language(tmp_path, models_folder, capsys):
    (tmp_path / "models").symlink_to(models_folder)
    lines = [
        {"key": "rice", "text": "Rinse the rice, add a little more water than rice, and leave the lid on."},
        {"key": "米饭", "text": "淘好米，加比米略多的水，盖上锅盖焖，中途不要揭盖。"},
        {
            "key": "bike",
            "text": "When the chain comes off, shift to the smallest sprocket and lift it back on.",
        },
        {"key": "自行车", "text": "链条脱落时先把变速拨到最小的飞轮，再把链条挂上去。"},
        {"key": "roses", "text": "Cut roses in late winter, just above a bud that looks outward."},
        {"key": "月季", "text": "月季在冬末修剪，剪口留在朝外的芽点上方。"},
    ]
    (tmp_path / "six.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    assert run(["ingest", str(tmp_path / "six.jsonl"), "--home", str(tmp_path)]) == 0
    for english, chinese in (("rice", "米饭"), ("bike", "自行车"), ("roses", "月季")):
        assert answer(capsys, tmp_path, "similar", english)["hits"][0]["key"] == chinese
        assert answer(capsys, tmp_path, "similar", chinese)["hits"][0]["key"] == english
