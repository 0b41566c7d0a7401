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


TEXTS = {
    "animals/panda.md": (
        "The giant panda",
        "The giant panda spends most of its day eating bamboo in the mountain forests of Sichuan.",
    ),
    "animals/绿海龟.md": ("绿海龟", "绿海龟在沙滩上产卵，成年以后主要吃海草。"),
    "kitchen/sourdough.md": (
        "Sourdough",
        "Feed the starter with flour and water twice before you bake the bread.",
    ),
    "kitchen/豆腐.md": ("做豆腐", "黄豆泡软以后磨成豆浆，煮开再点卤，压去水分就成了豆腐。"),
    "sky/eclipse.md": (
        "Lunar eclipse",
        "During a lunar eclipse the Earth's shadow turns the Moon a coppery red.",
    ),
}


@pytest.fixture(scope="session")
def library(app):
    """A collection of five documents that tests read and do not change."""
    client = app.test_client()
    for key, (title, text) in TEXTS.items():
        metadata = {"shelf": key.partition("/")[0], "words": len(text)}
        body = {"title": title, "text": text, "metadata": metadata}
        assert client.put(f"/v1/collections/library/documents/{key}", json=body).status_code == 201
    return "library"


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
