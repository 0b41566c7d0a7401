"""A small collection, and fits of it that each kind's tests share."""

import shutil

import pytest

from search.encoders.fitted.base import Fit, LearningPassage
from search.encoders.fitted.catalog import OPENERS, TRAINERS
from search.text.analyzer import Analyzer

TOPICS = (
    "the giant panda eats bamboo in the mountain forests of Sichuan",
    "a steam engine turns heat and pressure into the motion of wheels",
    "大熊猫喜欢吃竹子和竹笋，住在四川的山林里",
    "蒸汽机把热能变成机械能，推动火车前进",
    "bread is baked from flour, water, salt and yeast in a hot oven",
    "the planets move around the sun in elliptical orbits",
)


@pytest.fixture(scope="session")
def analyzer():
    return Analyzer()


@pytest.fixture(scope="session")
def passages():
    """Thirty passages of ten documents; every third document has no heading."""
    return [
        LearningPassage(
            document,
            "" if document % 3 == 0 else TOPICS[(document + part) % 6].split()[-1],
            f"{TOPICS[(document + part) % 6]} {TOPICS[(document * part) % 6]} number{document}x{part}",
        )
        for document in range(10)
        for part in range(3)
    ]


@pytest.fixture
def fit_of(tmp_path, analyzer):
    """Returns a function that makes a ``Fit`` with folders of its own."""
    made = []

    def make(passages, seed=7, progress=lambda done, total: None, checkpoints=None):
        folder = tmp_path / f"fit{len(made)}"
        made.append(folder)
        (folder / "output").mkdir(parents=True)
        checkpoints = checkpoints or folder / "checkpoints"
        return Fit(passages, analyzer, seed, folder / "output", checkpoints, None, progress)

    return make


@pytest.fixture(scope="session")
def fitted(tmp_path_factory, analyzer, passages):
    """Returns a function from a kind to its encoder, fit once on ``passages``."""
    opened = {}

    def get(kind):
        if kind not in opened:
            folder = tmp_path_factory.mktemp(kind)
            checkpoints = folder.with_suffix(".checkpoints")
            fit = Fit(passages, analyzer, 7, folder, checkpoints, None, lambda done, total: None)
            TRAINERS.create(kind, fit=fit)
            shutil.rmtree(checkpoints)
            opened[kind] = OPENERS.create(kind, folder=folder, analyzer=analyzer)
        return opened[kind]

    return get
