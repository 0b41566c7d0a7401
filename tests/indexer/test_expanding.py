"""``xunyi train expansion`` through the real shell, store and model: what it finds, what is looked for."""

import json
import shutil
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from indexer import expanding
from indexer.cli import run
from indexer.expanding import SHARES, Trial
from indexer.settings import Settings
from indexer.store import calibrations, collections, expansions
from indexer.store.calibrations import METHOD
from search.errors import InvalidInput
from search.evaluation.judged import read_judgements
from search.model import SearchRequest
from search.ranking.attention import Simple
from tests.homes import opened
from web.app import create_app

pytestmark = pytest.mark.slow  # a collection is stored, and asked in two modes, before anything is checked

SUBJECTS = 66
GENERATOR = np.random.default_rng(20240501)
SYLLABLES = [a + b for a in "bcdfgklmnprtvz" for b in ("abo", "emi", "idu", "oka", "uro")]
PAIRS = list(permutations(SYLLABLES, 2))
NAMES = ["".join(PAIRS[place]) for place in GENERATOR.choice(len(PAIRS), 2 * SUBJECTS, replace=False)]
FILLERS = "garden river window table morning letter market bridge mountain winter".split()


def documents():
    """Yield two documents of each subject that share one made-up word, and of which one is asked for.

    ``d3`` says both names of the subject 3, ``e3`` the second alone: by the first name alone it is not found.
    """
    for number in range(SUBJECTS):
        first, second = NAMES[2 * number : 2 * number + 2]
        words = GENERATOR.choice(FILLERS, 4).tolist()
        yield f"d{number}", f"{first} {second} {' '.join(words)}"
        yield f"e{number}", f"{second} {' '.join(reversed(words))}"


def judged(folder):
    """Write questions of first names, which both documents of a subject answer."""
    folder.mkdir()
    lines = [json.dumps({"_id": str(each), "text": NAMES[2 * each]}) for each in range(SUBJECTS)]
    (folder / "queries.jsonl").write_text("\n".join(lines) + "\n")
    rows = [f"{each}\t{side}{each}\t1" for each in range(SUBJECTS) for side in "de"]
    (folder / "qrels.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("home")
    (home / "models").symlink_to(models_folder)
    lines = [json.dumps({"_id": key, "title": "", "text": text}) for key, text in documents()]
    judged(home / "judged")
    (home / "judged" / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    (home / "names.jsonl").write_text("\n".join(line.replace("_id", "key") for line in lines) + "\n")
    assert run(["ingest", str(home / "names.jsonl"), "-c", "names", "--home", str(home)]) == 0
    return home


@pytest.fixture(scope="module")
def expanded(stored, tmp_path_factory):
    """The home after its test, and what the command said."""
    home = tmp_path_factory.mktemp("expanded") / "home"
    shutil.copytree(stored, home, symlinks=True)
    with opened(home) as service:
        summary = expanding.train_expansion(service, "names", read_judgements(stored / "judged"))
    return home, summary


@pytest.fixture
def copied(expanded, tmp_path):
    shutil.copytree(expanded[0], tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def search(service, mode="lexical", **changes):
    return service.search("names", SearchRequest(NAMES[0], mode=mode, explain=True, **changes))


def as_told(result):
    return replace(result, took_ms=0.0)


def put(home, shares):
    """Let further words into use whatever a test would say."""
    with opened(home) as service, service.database.write() as connection:
        found = collections.get(connection, "names")
        known = expansions.of_collection(connection, found)
        expansions.put(connection, found, replace(known, shares=shares), service.clock())


def test_what_answers_held_out_questions_better_is_put_into_use(expanded):
    home, summary = expanded
    [lexical, attention] = summary.tests
    assert (lexical.mode, attention.mode, summary.questions) == ("lexical", "attention", SUBJECTS)
    # By its own word each question finds d alone: 1 of 1 + 1 / log2(3).
    assert lexical.ndcg_before == pytest.approx(1 / (1 + 1 / np.log2(3)), abs=1e-9)
    assert lexical.adopted and lexical.ndcg_after > 0.9 and lexical.p_value < 0.01
    assert lexical.share in SHARES[1:] and set(lexical.folds) <= set(SHARES[1:]) and len(lexical.folds) == 5
    assert lexical.reason.startswith("the expansion in mode lexical was adopted")
    assert summary.in_use == {test.mode: test.share for test in summary.tests if test.adopted}
    with opened(home) as service, service.database.read() as connection:
        row = expansions.of_collection(connection, collections.get(connection, "names"))
        assert row.shares == summary.in_use
        assert row.figures["lexical"]["ndcg_after"] == lexical.ndcg_after
        assert set(row.made_of) == {"transformer", "attention", "mix"}


def test_a_search_tells_which_words_it_looked_for(expanded):
    home, summary = expanded
    with opened(home) as service:
        result = search(service)
        alone = search(service, mode="hybrid")
    share = summary.in_use["lexical"]
    assert NAMES[1] in [word.word for word in result.expansion]
    assert sum(word.weight for word in result.expansion) == pytest.approx(share / (1 - share), rel=1e-9)
    assert [hit.key for hit in result.hits][:2] == ["d0", "e0"] and result.exact
    for hit in result.hits:
        assert hit.score == hit.parts["lexical"] == pytest.approx(hit.explanation["lexical"]["bm25"])
    assert alone.expansion is None


def test_without_a_test_and_after_going_back_not_a_bit_is_another(stored, copied, capsys):
    with opened(stored) as service:
        before = as_told(search(service))
    assert before.expansion is None and [hit.key for hit in before.hits] == ["d0"]
    with opened(copied) as service:
        assert as_told(search(service)) != before
    capsys.readouterr()
    back = ["train", "expansion", "--kind", "usual", "-c", "names", "--home", str(copied)]
    assert run(back) == 0
    assert "further words in use: none" in capsys.readouterr().out
    with opened(copied) as service:
        assert as_told(search(service)) == before


def test_judgements_that_further_words_do_not_serve_put_nothing_into_use(copied, stored):
    alone = read_judgements(stored / "judged")
    only = {query: {key: 1 for key in keys if key[0] == "d"} for query, keys in alone.judgements.items()}
    with opened(copied) as service:
        summary = expanding.train_expansion(service, "names", replace(alone, judgements=only))
        assert summary.in_use == {}
        lexical = summary.tests[0]
        assert not lexical.adopted and lexical.share == 0 and "not adopted" in lexical.reason
        assert search(service).expansion is None


def test_the_test_of_attention_holds_for_what_it_was_made_with(copied, stored):
    put(copied, {"lexical": 0.3, "attention": 0.3})
    with opened(copied) as service:
        result = search(service, mode="attention")
        assert NAMES[1] in [word.word for word in result.expansion] and not result.degraded
        for hit in result.hits:
            assert hit.score == pytest.approx(sum(hit.parts.values()), abs=1e-12)
        given = service.search("names", SearchRequest(NAMES[0], mode="attention"), Simple())
        assert given.expansion is None
        with service.database.write() as connection:
            found = collections.get(connection, "names")
            known = expansions.of_collection(connection, found)
            changed = replace(known, made_of={**known.made_of, "attention": "another"})
            expansions.put(connection, found, changed, service.clock())
        result = search(service, mode="attention")
        assert result.expansion is None and "xunyi train expansion -c names" in result.degraded[0]
        result = search(service)
        assert result.expansion and not result.degraded


def test_an_expansion_has_a_calibration_of_its_own(copied):
    told = []
    for shares in ({}, {"lexical": 0.3}, {"attention": 0.3}):
        put(copied, shares)
        with opened(copied) as service, service.database.read() as connection:
            told.append(calibrations.made_of(connection, collections.get(connection, "names"), "c"))
    assert told == [f"{METHOD} c simple", f"{METHOD} c simple", f"{METHOD} c simple expansion 0.3"]


def test_too_few_questions_are_refused(stored):
    known = read_judgements(stored / "judged")
    few = replace(known, queries=known.queries[:59])
    with opened(stored) as service, pytest.raises(InvalidInput, match="59 judged questions"):
        expanding.train_expansion(service, "names", few)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([], "say what further words are to be tested on"),
        (["--kind", "causal"], "an expansion has no kind 'causal'"),
        (["--kind", "usual", "--judgements", "."], "say what further words are to be tested on"),
        (["--continue"], "expansion always learns anew"),
    ],
)
def test_wrong_use_is_refused(stored, capsys, more, told):
    assert run(["train", "expansion", "-c", "names", "--home", str(stored), *more]) == 2
    assert told in capsys.readouterr().err


def test_a_fold_is_answered_by_the_share_that_is_best_for_the_others():
    # Questions 0 to 4 stand in folds of their own.  Of .15 all gain .1 but question 0, which gains 1 of .3.
    gains = {
        0.0: dict.fromkeys("01234", 0.0),
        0.15: {each: 0.0 if each == "0" else 0.1 for each in "01234"},
        0.3: {each: 1.0 if each == "0" else 0.0 for each in "01234"},
        0.5: dict.fromkeys("01234", 0.0),
    }
    found = Trial("lexical", gains, {each: int(each) for each in "01234"})
    assert found.folds == [0.15, 0.3, 0.3, 0.3, 0.3]
    assert found.best(list("01234")) == 0.3
    test = found.test()
    assert (test.ndcg_before, test.ndcg_after) == (0.0, 0.0)
    assert not test.adopted and "no better" in test.reason


def test_the_shell_says_what_it_found_and_what_it_looked_for(stored, copied, capsys):
    command = ["train", "expansion", "-c", "names", "--judgements", str(stored / "judged")]
    capsys.readouterr()
    assert run([*command, "--home", str(copied)]) == 0
    told = capsys.readouterr().out
    assert f"further words were tested on {SUBJECTS} judged questions" in told
    assert "of all words in mode lexical" in told
    assert run(["search", NAMES[0], "--mode", "lexical", "-c", "names", "--home", str(copied)]) == 0
    assert f"further words: {NAMES[1]} " in capsys.readouterr().out


def test_the_page_and_the_api_tell_of_them(copied):
    client = create_app(Settings.from_environment({}, copied)).test_client()
    asked = {"query": NAMES[0], "mode": "lexical"}
    told = client.post("/v1/collections/names/search", json=asked).json["expansion"]
    assert told[0].keys() == {"word", "term", "weight"} and NAMES[1] in [word["word"] for word in told]
    assert (
        client.post("/v1/collections/names/search", json={**asked, "mode": "dense"}).json["expansion"] is None
    )
    for language, said in (("en", "Also looked for"), ("zh", "同时查找了")):
        page = client.get(
            "/",
            query_string={"q": NAMES[0], "mode": "lexical", "collection": "names"},
            headers={"Accept-Language": language},
        ).text
        assert said in page and f">{NAMES[1]}</span>" in page


def test_evaluation_measures_what_the_test_would_find(stored, expanded, tmp_path, capsys):
    systems = ["lexical", "lexical:expanded"]
    command = ["evaluate", str(stored / "judged"), "--systems", ",".join(systems), "--json"]
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "models").symlink_to(stored / "models")
    capsys.readouterr()
    assert run([*command, "--home", str(tmp_path / "home")]) == 0
    found = json.loads(capsys.readouterr().out)
    [lexical, _] = expanded[1].tests
    assert found["systems"]["lexical"]["nDCG@10"] == pytest.approx(lexical.ndcg_before, abs=1e-6)
    assert found["systems"]["lexical:expanded"]["nDCG@10"] == pytest.approx(lexical.ndcg_after, abs=1e-6)
    assert found["expanded"] == {"lexical:expanded": lexical.folds}
    assert found["p_values"]["lexical:expanded"]["lexical"] < 0.01


def test_a_collection_is_measured_in_the_mode_itself(stored, capsys):
    command = ["evaluate", "names", "--systems", "lexical:expanded", "--home", str(stored)]
    assert (
        run(["judgements", "one", "-c", "names", "--from", str(stored / "judged"), "--home", str(stored)])
        == 0
    )
    assert run(command) == 2
    assert "answers in mode lexical, so measure that" in capsys.readouterr().err
