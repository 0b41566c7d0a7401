import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files; review the difference")


@pytest.fixture(scope="session")
def models_folder():
    """Where real models are prepared once per checkout; XUNYI_TEST_MODELS names another place."""
    folder = Path(os.environ.get("XUNYI_TEST_MODELS") or ROOT / ".venv" / "xunyi-test-models")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
