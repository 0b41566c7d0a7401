from dataclasses import replace
from itertools import count

import pytest

from indexer.settings import Settings
from indexer.worker import Worker
from web.app import create_app
from web.service import EXTENSION

NUMBERS = count(1)
KEY = "correct horse battery staple"


@pytest.fixture(scope="session")
def settings(tmp_path_factory, models_folder):
    home = tmp_path_factory.mktemp("web")
    (home / "models").symlink_to(models_folder)
    return replace(
        Settings.from_environment({}, home=home), request_bytes_max=60_000, upload_bytes_max=200_000
    )


@pytest.fixture(scope="session")
def app(settings):
    """The whole application on one home; tests keep apart by collection."""
    app = create_app(settings)
    yield app
    app.extensions[EXTENSION].get().close()


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def collection():
    """The name of a collection that no other test uses."""
    return f"collection-{next(NUMBERS)}"


@pytest.fixture
def work(app):
    """Do all enqueued tasks, as a worker process would."""

    def work():
        service = app.extensions[EXTENSION].get()
        with service.cache_lock.held("a test", service.clock()):
            Worker(service).run_until_idle()

    return work


@pytest.fixture(scope="session")
def guarded_app(settings):
    app = create_app(replace(settings, api_key=KEY))
    yield app
    app.extensions[EXTENSION].get().close()


@pytest.fixture
def guarded(guarded_app):
    """A client of a service that asks for a key, and gives none by itself."""
    return guarded_app.test_client()


@pytest.fixture
def sign_in():
    """Sign a client in through the form."""

    def sign_in(client, key=KEY, at="http://localhost", **fields):
        client.get("/sign-in", base_url=at)
        token = client.get_cookie("xunyi_form").value
        return client.post("/sign-in", base_url=at, data={"form_token": token, "key": key, **fields})

    return sign_in
