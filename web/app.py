"""The app factory: every part of the HTTP edge, put together once.

gunicorn runs ``web.app:create_app()``; tests give settings of their own.
"""

from flask import Flask
from werkzeug.routing import BaseConverter, IntegerConverter, Map

from indexer.settings import Settings
from web import access, errors, headers, limits, service
from web.api import openapi
from web.api.bodies import ApiRequest
from web.pages import site
from web.strict_json import StrictJSONProvider


class KeyConverter(BaseConverter):
    """A document key at the end of an address: anything, slashes at any place included."""

    regex = ".+"
    part_isolating = False


class NumberConverter(IntegerConverter):
    """A number that a database column can hold; there is nothing at an address with a larger one."""

    def __init__(self, map: Map) -> None:
        super().__init__(map, max=2**63 - 1)


def create_app(settings: Settings | None = None) -> Flask:
    """Return the app; without ``settings`` those of the environment.  Opens no database and no model."""
    settings = settings or Settings.from_environment()
    app = openapi.new_app()
    app.request_class = ApiRequest
    app.json = StrictJSONProvider(app)
    app.url_map.converters.update(key=KeyConverter, number=NumberConverter)
    service.register(app, settings)
    errors.register(app)
    limits.register(app)  # first: whoever has no key has limits, too
    access.register(app, settings.api_key)
    headers.register(app)
    openapi.register(app)
    site.register(app)
    return app
