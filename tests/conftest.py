import os
from functools import cache
from pathlib import Path

import pytest

from indexer import models
from search.encoders.catalog import DEFAULT_ENCODER, open_encoder
from search.encoders.preparation import prepare

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite golden files; review the difference"
    )


@pytest.fixture(scope="session")
def models_folder():
    """Where real models are prepared once per checkout; XUNYI_TEST_MODELS names another place.

    The default model is prepared here, so that no test that waits for a service waits for that as well.
    """
    folder = Path(os.environ.get("XUNYI_TEST_MODELS") or ROOT / ".venv" / "xunyi-test-models")
    folder.mkdir(parents=True, exist_ok=True)
    prepare(DEFAULT_ENCODER, folder, lambda _: None)
    return folder


@pytest.fixture
def home(tmp_path, models_folder):
    """A data folder with models and nothing else."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    return home


@pytest.fixture(scope="module")
def models_opened_once():
    """Services that follow one another in this process share their encoders: opening one takes its time."""
    opened = cache(lambda name, folder: open_encoder(name, folder, lambda step: None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "open_encoder", lambda name, folder, _: opened(name, folder.resolve()))
        yield
