"""Every encoder that is fit on a collection keeps the promises of ``search/encoders/fitted/base.py``."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from search.encoders.fitted.base import Fit, LearningPassage, SparseEncoder, StateEncoder
from search.encoders.fitted.catalog import IMPORTED, OF_FIELDS, OPENERS, TRAINERS, WITH_STATES
from search.errors import TooLittleToLearn
from search.text.analyzer import Analyzer

ROOT = Path(__file__).parent.parent.parent
KINDS = sorted(set(TRAINERS.targets) - set(OF_FIELDS))
QUICK = ("lsi", "onehot", "tfidf", IMPORTED)
OTHERS = tuple(kind for kind in KINDS if kind not in QUICK)
"""These take seconds each to fit: they are tried with the slow tests."""
UNKNOWN = "qqqxyzzy 魑魅魍魉"
SEED = 20240501


@cache
def passages():
    """Forty texts, half of them Chinese."""
    lines = (ROOT / "indexer" / "demo" / "corpus.jsonl").read_text("utf-8").splitlines()
    texts = [(text["title"], text["text"]) for text in map(json.loads, lines)]
    chinese = [pair for pair in texts if not pair[1].isascii() and "的" in pair[1]]
    english = [pair for pair in texts if "的" not in pair[1]]
    chosen = [*english[:20], *chinese[:20]]
    return [LearningPassage(number, *pair) for number, pair in enumerate(chosen)]


@cache
def analyzer():
    return Analyzer()


def fit(kind, folder, learned_from):
    """Return the folder of files that ``kind`` learned from passages."""
    for name in ("files", "checkpoints"):
        (folder / name).mkdir(parents=True)
    made = Fit(
        learned_from, analyzer(), SEED, folder / "files", folder / "checkpoints", None, lambda *_: None
    )
    TRAINERS.create(kind, fit=replace(made, given=made_elsewhere(folder)) if kind == IMPORTED else made)
    return folder / "files"


def made_elsewhere(folder):
    """Return a file of vectors, which have nothing to do with what the words mean."""
    words = sorted({term for passage in passages() for term in analyzer().terms(passage.input)})
    numbers = np.random.default_rng(SEED).normal(size=(len(words), 50))
    lines = [f"{word} {' '.join(map(str, row))}" for word, row in zip(words, numbers.tolist(), strict=True)]
    (folder / "vectors.txt").write_text("\n".join([f"{len(words)} 50", *lines, ""]), "utf-8")
    return folder / "vectors.txt"


def opened(kind, folder):
    return OPENERS.create(kind, folder=folder, analyzer=analyzer())


def texts():
    return [*(passage.input for passage in passages()[::4]), "coffee and tea", "泡茶的水", UNKNOWN, ""]


def fit_all(kinds, folder):
    for kind in kinds:
        fit(kind, folder / kind, passages())


def serve_all(kinds, folder, output):
    """Encode in a process that has fitted nothing; leave the vectors, and which modules that took."""
    for kind in kinds:
        np.save(output / f"{kind}.npy", opened(kind, folder / kind / "files").encode(texts(), "query"))
    (output / "modules.json").write_text(json.dumps(sorted(sys.modules)))


def in_another_process(call, kinds, *folders):
    code = (
        "import sys; from pathlib import Path; from tests.contracts import test_fitted_encoders as t; "
        f"t.{call}(sys.argv[1].split(','), *map(Path, sys.argv[2:]))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code, ",".join(kinds), *folders]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def bytes_in(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def for_its_group(make):
    """Return what makes something for a kind, once for all kinds of its group, which are fit together."""
    made = cache(make)
    return lambda kind: made(OTHERS if kind in OTHERS else QUICK)


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Where a kind has its files."""

    def made(kinds):
        folder = tmp_path_factory.mktemp("fits")
        fit_all(kinds, folder)
        return folder

    return for_its_group(made)


@pytest.fixture(scope="module")
def refits(tmp_path_factory):
    def made(kinds):
        folder = tmp_path_factory.mktemp("refits")
        in_another_process("fit_all", kinds, folder)
        return folder

    return for_its_group(made)


@pytest.fixture(scope="module")
def served(fits, tmp_path_factory):
    def made(kinds):
        folder = tmp_path_factory.mktemp("served")
        in_another_process("serve_all", kinds, fits(kinds[0]), folder)
        return folder

    return for_its_group(made)


@pytest.fixture(params=[*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHERS)])
def kind(request):
    return request.param


@pytest.fixture
def encoder(kind, fits):
    return opened(kind, fits(kind) / kind / "files")


def test_every_kind_that_is_fit_can_be_opened():
    assert list(OPENERS.targets) == list(TRAINERS.targets)


@pytest.mark.parametrize("role", ["query", "passage"])
def test_rows_are_of_unit_length_or_zero(encoder, role):
    rows = encoder.encode(texts(), role)
    assert rows.dtype == np.float32 and rows.shape == (len(texts()), encoder.dimension)
    assert np.linalg.norm(rows, axis=1) == pytest.approx([1] * (len(texts()) - 2) + [0] * 2, abs=1e-5)


def test_nothing_to_encode_is_no_rows(encoder):
    assert encoder.encode([], "query").shape == (0, encoder.dimension)


@pytest.mark.parametrize("role", ["query", "passage"])
def test_a_text_is_the_same_in_any_company(encoder, role):
    together = encoder.encode(texts(), role)
    alone = [encoder.encode([text], role)[0] for text in texts()]
    assert np.array_equal(together, alone)
    assert np.array_equal(together[::-1], encoder.encode(texts()[::-1], role))


def test_the_same_files_give_the_same_vectors_in_another_process(kind, encoder, served):
    assert np.array_equal(np.load(served(kind) / f"{kind}.npy"), encoder.encode(texts(), "query"))


def test_serving_takes_no_library_that_only_fitting_needs(kind, served):
    modules = {name.partition(".")[0] for name in json.loads((served(kind) / "modules.json").read_text())}
    assert modules & {"torch", "sklearn", "gensim", "transformers"} == set()
    assert "numpy" in modules


def test_the_same_seed_gives_the_same_bytes(kind, fits, refits):
    files = {path.name: path.read_bytes() for path in (fits(kind) / kind / "files").iterdir()}
    assert files and files == {
        path.name: path.read_bytes() for path in (refits(kind) / kind / "files").iterdir()
    }


def test_files_are_no_pickles(kind, fits):
    assert {path.suffix for path in (fits(kind) / kind / "files").iterdir()} <= {
        ".json",
        ".safetensors",
        ".npz",
    }


def test_sparse_rows_are_the_same_rows(encoder):
    if not isinstance(encoder, SparseEncoder):
        return
    rows = encoder.encode_sparse(texts(), "passage")
    assert np.array_equal(rows.toarray(), encoder.encode(texts(), "passage"))
    assert rows.dtype == np.float32 and np.all(rows.data != 0)
    pairs = zip(rows.indptr[:-1], rows.indptr[1:], strict=True)
    assert all(np.all(np.diff(rows.indices[start:end]) > 0) for start, end in pairs)


def test_the_kinds_that_say_so_have_states(kind, encoder):
    assert isinstance(encoder, StateEncoder) == (kind in WITH_STATES)


def test_states_come_with_the_rows_and_stand_at_words(kind, encoder):
    if kind not in WITH_STATES:
        return
    rows, read = encoder.encode_tokens(texts(), "passage")
    assert np.array_equal(rows, encoder.encode(texts(), "passage"))
    for text, one in zip(texts(), read, strict=True):
        assert (one.states.dtype, one.states.shape) == (np.float32, (len(one.spans), encoder.dimension))
        assert one.states.any(axis=1).all()
        words = {(token.start, token.end) for token in analyzer().tokens(text)}
        assert {(start, end) for start, end in one.spans.tolist()} <= words
    assert len(read[0].spans) and not len(read[-1].spans) and not len(read[-2].spans)


def test_states_are_the_same_in_any_company(kind, encoder):
    if kind not in WITH_STATES:
        return
    together = encoder.encode_tokens(texts(), "passage")[1]
    for text, one in zip(texts(), together, strict=True):
        ((alone,),) = encoder.encode_tokens([text], "query")[1:]
        assert np.array_equal(one.states, alone.states) and np.array_equal(one.spans, alone.spans)


def test_a_passage_is_found_by_its_own_text(encoder):
    inputs = [passage.input for passage in passages()]
    scores = encoder.encode(inputs, "query") @ encoder.encode(inputs, "passage").T
    assert list(np.argmax(scores, axis=1)) == list(range(len(inputs)))


@pytest.mark.parametrize("others", [0, 1])
def test_one_or_two_passages_are_enough_or_refused_in_a_sentence(kind, others, tmp_path):
    learned_from = [LearningPassage(0, "", "Green tea steeps."), LearningPassage(1, "", "咖啡豆")][
        : 1 + others
    ]
    try:
        encoder = opened(kind, fit(kind, tmp_path, learned_from))
    except TooLittleToLearn as error:
        assert str(error)
        return
    lengths = np.linalg.norm(encoder.encode(["green tea", UNKNOWN], "query"), axis=1)
    assert lengths[1] == 0 and (lengths[0] == 0 or lengths[0] == pytest.approx(1, abs=1e-5))


def test_a_passage_without_words_does_not_disturb(kind, tmp_path):
    encoder = opened(kind, fit(kind, tmp_path, [*passages(), LearningPassage(99, "", "。。。")]))
    assert np.linalg.norm(encoder.encode(["coffee", "。。。"], "query"), axis=1) == pytest.approx(
        [1, 0], abs=1e-5
    )


def test_no_words_at_all_are_refused(kind, tmp_path):
    with pytest.raises(TooLittleToLearn, match="words"):
        fit(kind, tmp_path, [LearningPassage(0, "", "。。。 !")])
