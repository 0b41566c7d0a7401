import pytest

from indexer.cli import run
from tests.faults import processes


@pytest.fixture
def new_home(tmp_path, models_folder):
    """Return a function that makes an empty home whose model is prepared already."""

    def make(name="home"):
        home = tmp_path / name
        home.mkdir()
        (home / "models").symlink_to(models_folder)
        return home

    return make


@pytest.fixture
def ingested():
    """Return a function that ingests into a home, in this process and undisturbed."""

    def ingest(home, *paths):
        assert run(["ingest", "--home", str(home), *map(str, paths)]) == 0
        return home

    return ingest


@pytest.fixture
def assert_clean(capsys):
    """Return a function that has the program prove a home."""

    def prove(home):
        capsys.readouterr()
        status = run(["verify", "--home", str(home)])
        assert (status, capsys.readouterr().out.partition(":")[0]) == (0, "clean")

    return prove


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_left_running(models_opened_once):
    yield
    processes.end_all()
