"""The one Service of this process, opened by the first request that needs it.

gunicorn builds the app and may fork afterwards; models and database connections must be born in
the process that uses them, so nothing is opened while the app is built.  Every view asks here.
"""

from threading import Lock

from flask import Flask, current_app

from indexer.service import Service
from indexer.settings import Settings

EXTENSION = "xunyi"


class OpenedOnce:
    """Opens the Service at the first call and keeps it; safe for several threads.

    An opening that fails is tried again by the next request, so that a repaired home needs no restart.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = Lock()
        self._service: Service | None = None

    def get(self) -> Service:
        """Return the Service, opening it if nobody has."""
        with self._lock:
            if self._service is None:
                self._service = Service.open(self.settings)
            return self._service


def register(app: Flask, settings: Settings) -> None:
    """Give ``app`` its own, still closed Service."""
    app.extensions[EXTENSION] = OpenedOnce(settings)


def service() -> Service:
    """Return the Service of the app that answers the current request."""
    return _opened().get()


def settings() -> Settings:
    """Return the settings of the app that answers the current request; opens nothing."""
    return _opened().settings


def _opened() -> OpenedOnce:
    opened: OpenedOnce = current_app.extensions[EXTENSION]
    return opened
