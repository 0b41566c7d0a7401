"""What every neural kind keeps, whatever it learns."""

import subprocess
import sys

import numpy as np
import pytest

from search.encoders.fitted.base import LearningPassage
from search.encoders.fitted.catalog import OPENERS, TRAINERS
from search.errors import TooLittleToLearn

pytestmark = pytest.mark.slow  # every test fits a network or more

KINDS = ["autoencoder", "rnn", "lstm", "seq2seq", "seq2seq-attention", "transformer-scratch"]

kinds = pytest.mark.parametrize("kind", KINDS)


@kinds
def test_rows_are_unit_or_zero_and_a_text_alone_equals_it_in_company(kind, fitted, passages):
    encoder = fitted(kind)
    texts = [passage.input for passage in passages[:8]] + ["竹子 panda", "qqqq", ""]
    together = encoder.encode(texts, "passage")
    assert together.dtype == np.float32
    assert together.shape == (11, encoder.dimension)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), [1.0] * 9 + [0.0] * 2, atol=1e-6)
    for text, row in zip(texts, together, strict=True):
        assert encoder.encode([text], "passage")[0].tobytes() == row.tobytes()
    assert encoder.encode([], "query").shape == (0, encoder.dimension)


@kinds
def test_a_passage_is_found_by_its_own_text(kind, fitted, passages):
    rows = fitted(kind).encode([passage.input for passage in passages], "passage")
    assert np.argmax(rows @ rows.T, axis=1).tolist() == list(range(len(rows)))


@kinds
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(kind, fit_of, passages):
    fits = [fit_of(passages[:9], seed) for seed in (5, 5, 6)]
    for fit in fits:
        TRAINERS.create(kind, fit=fit)
    first, again, other = ({path.name: path.read_bytes() for path in fit.output.iterdir()} for fit in fits)
    assert first == again
    assert first != other


@kinds
def test_a_killed_and_resumed_fit_writes_the_same_bytes(kind, fit_of, passages):
    class Killed(Exception):
        pass

    def dies(done, total):
        if done == 2:
            raise Killed

    whole, killed = fit_of(passages), fit_of(passages, progress=dies)
    TRAINERS.create(kind, fit=whole)
    with pytest.raises(Killed):
        TRAINERS.create(kind, fit=killed)
    seen = []
    resumed = fit_of(passages, checkpoints=killed.checkpoints, progress=lambda done, total: seen.append(done))
    TRAINERS.create(kind, fit=resumed)
    assert seen[0] == 2
    for path in whole.output.iterdir():
        assert (resumed.output / path.name).read_bytes() == path.read_bytes()


@kinds
def test_one_passage_is_enough_and_none_with_words_is_too_little(kind, fit_of, analyzer):
    one = fit_of([LearningPassage(0, "", "panda bamboo")])
    TRAINERS.create(kind, fit=one)
    rows = OPENERS.create(kind, folder=one.output, analyzer=analyzer).encode(["panda", "?"], "query")
    assert np.linalg.norm(rows, axis=1).round(5).tolist() == [1.0, 0.0]
    with pytest.raises(TooLittleToLearn, match="words"):
        TRAINERS.create(kind, fit=fit_of([LearningPassage(0, "", "?!")]))


@kinds
def test_a_passage_without_words_does_not_matter(kind, fit_of, passages):
    fit = fit_of([*passages[:5], LearningPassage(99, "", "…")])
    TRAINERS.create(kind, fit=fit)
    encoder = OPENERS.create(kind, folder=fit.output, analyzer=fit.analyzer)
    rows = encoder.encode([passages[0].input, "…"], "passage")
    assert np.linalg.norm(rows, axis=1).round(5).tolist() == [1.0, 0.0]


def test_what_serves_imports_no_torch():
    code = "import sys, importlib\n" + "\n".join(
        f"importlib.import_module({OPENERS.targets[kind].partition(':')[0]!r})" for kind in KINDS
    )
    code += "\nassert not {'torch', 'gensim', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
