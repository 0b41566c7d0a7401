"""What the vectors of the two real models say about meaning."""

from importlib import import_module

import numpy as np
import pytest

from search.encoders.catalog import open_encoder
from search.encoders.packages import minilm_folder

ENGLISH = [
    "Giant pandas feed almost entirely on bamboo.",
    "The central bank raised its interest rate by a quarter point.",
    "Knead the dough for ten minutes and let it rest.",
    "The telescope found water vapour around a distant planet.",
    "Please renew your passport six months before it expires.",
]
QUESTIONS_ZH = [
    "大熊猫吃什么？",
    "央行加息了多少？",
    "面团要揉多久？",
    "哪里发现了水蒸气？",
    "护照应该提前多久更换？",
]
QUESTIONS_EN = [
    "what do pandas eat",
    "how much did borrowing costs go up",
    "how long do I work the bread mixture",
    "where was moisture discovered in space",
    "when should I get a new travel document",
]


@pytest.fixture(scope="module")
def e5(models_folder):
    return open_encoder("multilingual-e5-small", models_folder, lambda step: None)


@pytest.fixture(scope="module")
def minilm(models_folder):
    return open_encoder("minilm-en", models_folder, lambda step: None)


def nearest(encoder, questions):
    return (encoder.encode(questions, "query") @ encoder.encode(ENGLISH, "passage").T).argmax(axis=1).tolist()


def test_e5_finds_the_english_answer_of_a_chinese_question(e5):
    assert nearest(e5, QUESTIONS_ZH) == [0, 1, 2, 3, 4]


def test_both_find_the_answer_in_other_words(e5, minilm):
    assert nearest(e5, QUESTIONS_EN) == nearest(minilm, QUESTIONS_EN) == [0, 1, 2, 3, 4]


def test_e5_tells_queries_from_passages_and_minilm_does_not(e5, minilm):
    same = [
        float(model.encode(ENGLISH, "query")[0] @ model.encode(ENGLISH, "passage")[0])
        for model in (e5, minilm)
    ]
    assert same[0] < 0.99
    assert same[1] == pytest.approx(1, abs=1e-6)


def test_centring_needs_the_languages_a_model_reads(e5, minilm):
    assert list(e5.query_means) == ["en", "zh"]
    assert list(minilm.query_means) == ["en"]
    # Queries of two languages lie around different points: that is why they are centred apart.
    means = e5.query_means
    cosine = means["en"] @ means["zh"] / np.linalg.norm(means["en"]) / np.linalg.norm(means["zh"])
    assert 0.8 < cosine < 0.97


@pytest.mark.filterwarnings("ignore")
def test_minilm_agrees_with_sentence_transformers(minilm):
    library = import_module("sentence_transformers")
    texts = [*ENGLISH, *QUESTIONS_EN, "word " * 400]
    reference = library.SentenceTransformer(str(minilm_folder()), device="cpu")
    expected = reference.encode(texts, batch_size=1, normalize_embeddings=True)
    cosines = (minilm.encode(texts, "passage") * expected).sum(axis=1)
    assert cosines.min() > 0.98, cosines
    assert cosines.mean() > 0.99, cosines
