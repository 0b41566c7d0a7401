"""All pages together, and what every template may use."""

from flask import Flask

from web.access import signed_in
from web.pages import (
    documents,
    encoders,
    evaluations,
    forms,
    judgements,
    language,
    maps,
    search,
    sign_in,
    uploads,
    words,
)

PARTS = (
    search.pages,
    documents.pages,
    encoders.pages,
    words.pages,
    maps.pages,
    judgements.pages,
    evaluations.pages,
    uploads.pages,
    sign_in.pages,
)


def register(app: Flask) -> None:
    """Add the pages to ``app``."""
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"signed_in": signed_in()})
    language.register(app)
    forms.register(app)
    for part in PARTS:
        app.register_blueprint(part)
