"""The analyzer as a whole: golden files, offsets, version, and what every text must satisfy."""

import json
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from search.text.analyzer import Analyzer
from search.text.english import TERM_CHARACTERS_MAX, stop_words

GOLDEN = Path(__file__).parent.parent / "golden" / "analyzer"


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory):
    return Analyzer(tmp_path_factory.mktemp("dictionaries"))


def shown(analyzer, text):
    """Tokens as a reader judges them: the term, and the surface where that differs."""
    pairs = [(token.term, text[token.start : token.end]) for token in analyzer.tokens(text)]
    return [term if term == surface else f"{term} <- {surface}" for term, surface in pairs]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_golden(path, analyzer, request):
    golden = json.loads(path.read_text("utf-8"))
    actual = {text: shown(analyzer, text) for text in golden}
    if request.config.getoption("--update-golden", default=False):
        path.write_text(json.dumps(actual, ensure_ascii=False, indent=2) + "\n", "utf-8")
    assert actual == golden


def test_offsets_are_code_points_of_the_original():
    text = "🎉🎉 ﬁnd the ＣＡＦＥ\u0301"
    find, cafe = Analyzer().tokens(text)
    assert (find.term, find.start, find.end) == ("find", 3, 6)
    assert (cafe.term, cafe.start, cafe.end) == ("cafe", 11, 16)
    assert text[11:16] == "ＣＡＦＥ\u0301"


texts = st.text(max_size=60) | st.text(
    alphabet=st.sampled_from(
        "ab'’-.:+#_@1,0 Aé\u0301ß½①ﬁＡ，ｶﾞ\u00ad\u200b\ufe0f漢体的了北京大学生ကไทя가각\ud800\n"
    ),
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@example("½")
@example("A" * 200)
@example("x.y.z.a.b.c.d.e.f.g.h.i")
@example("C++#c#.c")
@given(texts)
def test_every_token_is_a_term_of_its_own_surface(text):
    analyzer = SHARED
    for token in analyzer.tokens(text):
        assert 0 <= token.start < token.end <= len(text)
        assert token.term and not any(character.isspace() for character in token.term)
        assert len(token.term) <= TERM_CHARACTERS_MAX + 8
        assert token.term.encode("utf-8")
        assert token.term in analyzer.terms(text[token.start : token.end])


SHARED = Analyzer()


@settings(max_examples=100, deadline=None)
@given(texts, texts)
def test_tokens_among_wanted_terms_are_those_of_all_tokens(text, query):
    every = SHARED.tokens(text)
    for wanted in (SHARED.terms(query), [token.term for token in every[::2]], []):
        assert SHARED.tokens_among(text, wanted) == [token for token in every if token.term in wanted]


def test_no_word_is_passed_over_whatever_its_stem():
    words = (
        "Dying skies, LYING idly; tying ugly early only singly gently. yes Yellow toy a I " + "q" * 64 + "ab"
    )
    for token in SHARED.tokens(words):
        assert token in SHARED.tokens_among(words, {token.term})


def test_traditional_words_are_found_among_simplified_ones():
    found = SHARED.tokens_among("這個資料庫很大。麵包變硬。", SHARED.terms("数据 資料庫"))
    assert (found[0].start, found[-1].end) == (2, 5)


@settings(max_examples=100, deadline=None)
@given(texts)
def test_terms_are_those_of_the_tokens(text):
    assert SHARED.terms(text) == [token.term for token in SHARED.tokens(text)]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("email", "two e-mails"),
        ("e-mail", "his e-mail"),
        ("nodejs", "with Node.js"),
        ("NAIVE cafe", "a naïve café"),
        ("电脑软件", "電腦軟件"),
        ("ＶＵＥ３", "vue3"),
        ("ガギグ", "ｶﾞｷﾞｸﾞ"),
        ("mounting", "onMounted"),
        ("1000000", "1,000,000"),
        ("example", "exam\u00adple"),
    ],
)
def test_what_is_written_in_two_ways_meets(query, text):
    assert set(SHARED.terms(query)) & set(SHARED.terms(text))


@pytest.mark.parametrize(("query", "text"), [("c", "C++"), ("organ", "organ's"), ("carbon", "car bond")])
def test_only_the_same_word_meets(query, text):
    assert bool(set(SHARED.terms(query)) & set(SHARED.terms(text))) is (query == "organ")


def test_nothing_in_nothing_out():
    assert [SHARED.terms(text) for text in ("", " \n\t", "🎉", "的", "the of", "\x00", "...")] == [[]] * 7


def test_an_endless_word_and_an_endless_compound_stay_small():
    assert max(map(len, SHARED.terms("x" * 100_000))) == TERM_CHARACTERS_MAX
    assert max(map(len, SHARED.terms("ab." * 50_000))) <= TERM_CHARACTERS_MAX
    assert len(SHARED.terms("汉" * 20_000)) == 20_000


def test_threads_agree(tmp_path):
    analyzer = Analyzer(tmp_path)
    text = "分布式系统的一致性 consistency of distributed systems, v-model 与 onMounted。" * 20
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: analyzer.terms(text), range(40)))
    assert all(result == results[0] for result in results)
    assert results[0] == SHARED.terms(text)


def test_version_names_everything_that_terms_depend_on():
    assert SHARED.version == Analyzer().version
    assert [part.rpartition("-")[0] for part in SHARED.version.split(" ")][1:] == [
        "jieba",
        "opencc-python-reimplemented",
        "PyStemmer",
        "unicode",
    ]
    assert len(SHARED.version) <= 100


@pytest.mark.parametrize("language", ["english", "chinese"])
def test_stop_lists_are_clean(language):
    path = Path(sys.modules["search.text.english"].__file__).parent / "stopwords" / f"{language}.txt"
    words = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(words) == len(set(words)) == len(stop_words(language))
    assert words == [word.casefold().strip() for word in words]


def test_a_fresh_process_is_quiet_and_light(tmp_path):
    program = (
        "import sys; from pathlib import Path; from search.text.analyzer import Analyzer;"
        "print(Analyzer(Path(sys.argv[1])).terms('我们 searching'));"
        "print(sorted({'torch', 'jieba', 'transformers', 'pkg_resources'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent.parent
    run = [sys.executable, "-W", "error", "-c", program, tmp_path / "made"]
    for _ in range(2):  # once making the dictionary, once finding it
        done = subprocess.run(run, cwd=root, capture_output=True, text=True, check=True)
        assert done.stdout == "['我们', 'search']\n[]\n"
        assert done.stderr == ""
    assert logging.getLogger("jieba").handlers == []
