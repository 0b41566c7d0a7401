"""The lean tokenizers give the ids that the models were trained with."""

import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from search.encoders.built_in_texts import LANGUAGES, passages, questions
from search.encoders.packages import minilm_folder
from search.encoders.tokenization import FileTokenizer, open_tokenizer
from search.errors import InvalidInput

PARITY = Path(__file__).parent.parent / "benchmarks" / "tokenizer_parity.py"
SHIPPED = [text for language in LANGUAGES for text in (*questions(language), *passages(language))]

EQUAL = [
    "ＦＵＬＬ　ｗｉｄｔｈ １２３，。！",
    "Café naïve résumé",
    "Cafe\u0301 nai\u0308ve re\u0301sume\u0301",
    "क्षि हिन्दी 가나다 \u1100\u1161 العربية עברית ไทย",
    "\x00",
    "a\x00b\x01\x02\x07",
    "a\tb\nc\r\nd\u00a0x\u3000y\u2009z",
    "人工智能AI模型GPT-4在2024年v1.0",
    "繁體中文：機器學習與資料庫",
    "Hello世界！mixed文本with標點。",
    "<s> </s> <pad> <mask> <unk>",
    "▁▁ x",
    "the " * 3000,
    "長" * 5000,
    "a" * 4000,
    "x²+y³≠½ ①②③ ㎏ ﬁ",
    "\u0301",
    "\ufffd",
    "  lead and trail  ",
    "𠮷野家 𝒳 \ue000private",
    "i̇ İ ß ẞ …—–“”‘’ \u2028line\u2029sep",
]
# Where the model's published character map is not NFKC: joiners and the full-width tilde.
PUBLISHED_MAP = ["👨\u200d👩\u200d👧\u200d👦 and 🇨🇳", "１～２袋", "a\u200bb\u200cc\u200dd\ufeffe"]


@pytest.fixture(scope="module")
def comparison(models_folder, e5_tokenizer):
    spec = importlib.util.spec_from_file_location("tokenizer_parity", PARITY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Comparison(models_folder)


@pytest.fixture(scope="module")
def e5_tokenizer(models_folder):
    return open_tokenizer("sentencepiece", models_folder / "multilingual-e5-small")


def test_shipped_texts_are_cut_as_by_the_reference(comparison):
    assert {text: comparison.verdict(text) for text in SHIPPED} == dict.fromkeys(SHIPPED, "equal")


@pytest.mark.parametrize("text", EQUAL, ids=lambda text: ascii(text[:12]))
def test_odd_texts_are_cut_as_by_the_reference(comparison, text):
    assert comparison.verdict(text) == "equal"


@pytest.mark.parametrize("text", PUBLISHED_MAP, ids=lambda text: ascii(text[:12]))
def test_characters_are_mapped_as_published(comparison, text):
    assert comparison.verdict(text) == "normalisation"


def test_ids_are_those_of_the_published_vocabulary(e5_tokenizer):
    assert e5_tokenizer.ids("query: hello, world") == [41, 1294, 12, 33600, 31, 4, 8999]
    assert e5_tokenizer.ids("passage: 大熊猫") == [46692, 12, 54553, 41473, 35076]


def test_markup_of_the_model_is_text(e5_tokenizer):
    assert not {0, 1, 2, 250_001} & set(e5_tokenizer.ids("a <s> b </s> c <pad> d <mask>"))


def test_minilm_ids_are_those_of_its_own_tokenizer():
    # Its file asks for padding and for a cut at 128 pieces; the lean tokenizer does neither.
    file = minilm_folder() / "tokenizer.json"
    reference, lean = Tokenizer.from_file(str(file)), FileTokenizer(file)
    assert len(lean.ids("the " * 3000)) == 3000
    for text in SHIPPED[:300]:
        begin, *pieces, end = (id_ for id_ in reference.encode(text).ids if id_ != 0)
        assert (begin, pieces, end) == (101, lean.ids(text), 102)


def test_ids_are_the_same_from_several_threads(e5_tokenizer):
    expected = [e5_tokenizer.ids(text) for text in SHIPPED]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(e5_tokenizer.ids, SHIPPED)) == expected


@pytest.mark.parametrize("kind", ["sentencepiece", "tokenizers"])
def test_a_lone_surrogate_is_refused(models_folder, e5_tokenizer, kind):
    tokenizer = e5_tokenizer if kind == "sentencepiece" else FileTokenizer(minilm_folder() / "tokenizer.json")
    with pytest.raises(InvalidInput, match="character 2") as refusal:
        tokenizer.ids("ab\udfffcd")
    assert refusal.value.details == {"offset": 2}


def test_spans_by_hand(e5_tokenizer):
    text = "Ｈｅｌｌｏ 👍🏽 wörld\t学習 e\u0301tat ﬁne"
    shown = [text[start:end] for start, end in e5_tokenizer.spans(text).tolist()]
    assert shown == ["Ｈｅｌｌｏ", "", "👍", "🏽", "w", "ör", "ld", "", "学習", "e\u0301tat", "ﬁne"]
    assert e5_tokenizer.spans("").shape == (0, 2)


def test_a_character_that_is_spelt_out_belongs_to_one_of_its_pieces(e5_tokenizer):
    text = "a \ufdfa b"  # one sign, four Arabic words
    shown = [text[start:end] for start, end in e5_tokenizer.spans(text).tolist()]
    assert (len(shown), [piece for piece in shown if piece]) == (6, ["a", "\ufdfa", "b"])


def test_minilm_spans_by_hand():
    text = "Ｆｕｌｌ unaffordable, 潮汐 naïve"
    tokenizer = FileTokenizer(minilm_folder() / "tokenizer.json")
    shown = [text[start:end] for start, end in tokenizer.spans(text).tolist()]
    assert "".join(shown) == text.replace(" ", "")
    assert shown[-1] == "naïve" and shown[-3:-1] == ["潮", "汐"]
