"""What every encoder promises, asked of both real models, with their real vectors."""

import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from search.encoders.built_in_texts import passages, questions
from search.encoders.catalog import open_encoder
from search.errors import InvalidInput

SECOND_PROCESS = """
import hashlib, json, re, sys
from pathlib import Path
from search.encoders.catalog import open_encoder

encoder = open_encoder(sys.argv[1], Path(sys.argv[2]), lambda step: None)
texts = json.load(sys.stdin)
rows = encoder.encode(texts, "passage")
answer = {
    "fingerprint": encoder.fingerprint,
    "centring": encoder.centring,
    "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
    "anonymous_mb": int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024,
    "heavy": sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3:])),
}
print(json.dumps(answer))
"""
NEVER_SERVING = ["torch", "transformers", "sentence_transformers", "onnx", "huggingface_hub", "google"]

TEXTS = [
    "The glacier has lost a third of its length since the first survey.",
    "冰川自第一次测量以来已经缩短了三分之一。",
    "GPT-4 在 2024 年的 API 价格 (per 1M tokens)",
    "x",
    *passages("en")[:6],
    *passages("zh")[:6],
    "short",
    "a much longer text about nothing in particular " * 30,
]


@pytest.fixture(scope="module", params=["multilingual-e5-small", "minilm-en"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def encoder(name, models_folder):
    return open_encoder(name, models_folder, lambda step: None)


@pytest.fixture(scope="module")
def rows(encoder):
    return encoder.encode(TEXTS, "passage")


def test_rows_have_unit_length_and_the_stated_dimension(encoder, rows):
    assert encoder.dimension == 384
    assert (rows.shape, rows.dtype) == ((len(TEXTS), 384), np.float32)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)


def test_no_text_is_no_row(encoder):
    assert encoder.encode([], "query").shape == (0, 384)


@pytest.mark.parametrize("role", ["query", "passage"])
@pytest.mark.parametrize("text", ["", "   \n\t", "\x01\x02"])
def test_a_text_without_pieces_is_a_zero_row(encoder, text, role):
    pair = encoder.encode([text, "word"], role)
    assert not pair[0].any()
    np.testing.assert_allclose(np.linalg.norm(pair[1]), 1, atol=1e-6)


def test_a_vector_is_the_same_alone_and_in_any_company_and_order(encoder, rows):
    alone = np.concatenate([encoder.encode([text], "passage") for text in TEXTS])
    backwards = encoder.encode(TEXTS[::-1], "passage")[::-1]
    assert alone.tobytes() == rows.tobytes() == np.ascontiguousarray(backwards).tobytes()


def test_a_vector_is_the_same_from_several_threads_at_once(encoder, rows):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: encoder.encode(TEXTS, "passage"), range(4)))
    assert {answer.tobytes() for answer in answers} == {rows.tobytes()}


def test_another_process_gives_the_same_bits_and_needs_no_training_library(
    encoder, rows, name, models_folder
):
    answer = subprocess.run(
        [sys.executable, "-c", SECOND_PROCESS, name, str(models_folder), *NEVER_SERVING],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
    )
    answer = json.loads(answer.stdout)
    # The whole process: weights are mapped from their file, not copied.
    assert answer.pop("anonymous_mb") < 150
    assert answer == {
        "fingerprint": encoder.fingerprint,
        "centring": encoder.centring,
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
        "heavy": [],
    }


def test_reopening_gives_the_same_fingerprint(encoder, name, models_folder):
    again = open_encoder(name, models_folder, lambda step: pytest.fail("it is prepared already"))
    assert (again.fingerprint, again.centring) == (encoder.fingerprint, encoder.centring)
    assert len(encoder.fingerprint) == len(encoder.centring) == 64


def test_the_tokenizer_counts_what_it_gives(encoder):
    for text in TEXTS:
        assert encoder.tokenizer.count(text) == len(encoder.tokenizer.ids(text)) > 0
    assert encoder.tokenizer.count("") == 0


def test_a_long_text_is_read_up_to_max_tokens_and_not_beyond(encoder):
    assert encoder.tokenizer.count("the " * 900) == 900
    full, longer, shorter = encoder.encode(
        ["the " * count for count in (encoder.max_tokens, 900, encoder.max_tokens - 1)], "passage"
    )
    assert full.tobytes() == longer.tobytes()
    assert full.tobytes() != shorter.tobytes()


def test_a_lone_surrogate_is_refused_and_harms_nobody(encoder, rows):
    with pytest.raises(InvalidInput, match="surrogate at character 3"):
        encoder.encode(["good", "bad\ud800", *TEXTS], "passage")
    assert encoder.encode(TEXTS, "passage").tobytes() == rows.tobytes()


def test_the_means_are_those_of_the_shipped_texts(encoder):
    languages = list(encoder.query_means)
    expected = encoder.encode(questions(languages[-1]), "query").mean(axis=0)
    np.testing.assert_allclose(encoder.query_means[languages[-1]], expected, atol=1e-6)
    shipped = passages(languages[-1])
    pairs = [f"{first} {second}" for first, second in zip(shipped, shipped[1:] + shipped[:1], strict=True)]
    expected = encoder.encode(pairs, "passage").mean(axis=0)
    np.testing.assert_allclose(encoder.passage_means[languages[-1]], expected, atol=1e-6)
    assert list(encoder.passage_means) == languages
    with pytest.raises(ValueError, match="read-only"):
        encoder.passage_means["en"][0] = 1


# Token states


@pytest.fixture(scope="module")
def tokens(encoder):
    return encoder.encode_tokens(TEXTS, "passage")[1]


def test_one_reading_gives_the_same_rows_and_a_state_for_each_piece(encoder, rows, tokens):
    again, _ = encoder.encode_tokens(TEXTS, "passage")
    assert again.tobytes() == rows.tobytes()
    for text, read in zip(TEXTS, tokens, strict=True):
        count = min(encoder.tokenizer.count(text), encoder.max_tokens)
        assert (read.states.shape, read.states.dtype) == ((count, encoder.dimension), np.float32)
        assert (read.spans.shape, read.spans.dtype) == ((count, 2), np.int32)


def test_states_are_the_same_alone_and_from_several_threads(encoder, tokens):
    alone = [encoder.encode_tokens([text], "passage")[1][0].states.tobytes() for text in TEXTS]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: encoder.encode_tokens(TEXTS, "passage")[1], range(3)))
    for answer in [tokens, *answers]:
        assert [read.states.tobytes() for read in answer] == alone


def test_what_no_piece_was_read_of_has_no_states(encoder):
    rows, (nothing, word) = encoder.encode_tokens(["\x01\x02", "word"], "query")
    assert not rows[0].any()
    assert (nothing.states.shape, nothing.spans.shape) == ((0, 384), (0, 2))
    assert word.spans.tolist() == [[0, 4]]


@pytest.mark.parametrize("role", ["query", "passage"])
def test_spans_name_the_words_of_the_text(encoder, role):
    """Ascending, and together all that is not white space; whatever the prompt, width and accents."""
    odd = "Ｈｅｌｌｏ 😀👍🏽 wörld  学習 e\u0301tat ﬁne\n繁體字 GPT-4 在2024年 𠮷野家"
    for text in [odd, *TEXTS]:
        (read,) = encoder.encode_tokens([text], role)[1]
        starts, ends = read.spans.T
        assert (starts <= ends).all() and (np.diff(starts) >= 0).all()
        shown = [text[start:end] for start, end in read.spans.tolist()]
        assert not any(piece[:1].isspace() for piece in shown)
        covered = np.zeros(len(text), dtype=bool)
        for start, end in read.spans.tolist():
            covered[start:end] = True
        missed = {sign for sign, there in zip(text, covered.tolist(), strict=True) if not there}
        assert all(sign.isspace() for sign in missed), missed


def test_the_token_means_are_those_of_the_shipped_texts(encoder):
    language = list(encoder.query_means)[-1]
    read = encoder.encode_tokens(questions(language), "query")[1]
    expected = np.concatenate([tokens.states for tokens in read]).mean(axis=0)
    np.testing.assert_allclose(encoder.token_query_means[language], expected, atol=1e-5)
    assert list(encoder.token_passage_means) == list(encoder.passage_means)
    assert encoder.token_passage_means[language].shape == (384,)
    with pytest.raises(ValueError, match="read-only"):
        encoder.token_passage_means["en"][0] = 1
