"""Which language a page speaks, and its words in it.

The words are in ``web/locales/*.json``, flat and with the same keys in every language; a count has
the keys ``name.one`` and ``name.other``.  The language comes from ``?lang=`` (remembered in a cookie),
else from the cookie, else from what the browser accepts.  Templates call ``t``, ``count`` and
``label``; every value put into a sentence is escaped unless it is markup already.
"""

import json
from collections.abc import Mapping
from importlib.resources import files

from flask import Flask, Response, g, request
from markupsafe import Markup, escape

LANGUAGES = {"en": "English", "zh": "中文"}
HTML_LANGUAGES = {"en": "en", "zh": "zh-CN"}
COOKIE = "xunyi_lang"
YEAR_SECONDS = 365 * 24 * 3600


def words(language: str) -> Mapping[str, str]:
    """Return the words of one language by key."""
    read: dict[str, str] = json.loads(files("web").joinpath(f"locales/{language}.json").read_text("utf-8"))
    return read


WORDS = {language: words(language) for language in LANGUAGES}


def register(app: Flask) -> None:
    """Give the language to every template of ``app``, and remember a choice."""
    for function in (t, count, label):
        app.add_template_global(function)
    app.context_processor(_for_templates)
    app.after_request(remember)


def language() -> str:
    """Return the language of the current request."""
    if "language" not in g:
        asked = (request.args.get("lang"), request.cookies.get(COOKIE), *_accepted(), "en")
        g.language = next(name for name in asked if name in LANGUAGES)
    chosen: str = g.language
    return chosen


def t(key: str, **values: object) -> Markup:
    """Return the words of ``key`` with ``values`` filled in and escaped; an unknown one is a bug."""
    return Markup(escape(WORDS[language()][key])).format(**values)


def count(key: str, number: int, **values: object) -> Markup:
    """Return the words of ``key`` for a ``number`` of things."""
    return t(f"{key}.{'one' if number == 1 else 'other'}", number=f"{number:,}", **values)


def label(group: str, name: str) -> Markup:
    """Return what people call ``name``; a name without words of its own is shown as it is."""
    key = f"{group}.{name}"
    return t(key) if key in WORDS[language()] else escape(name)


def remember(response: Response) -> Response:
    """Keep the language of ``?lang=`` for the next pages."""
    if request.args.get("lang") in LANGUAGES:
        response.set_cookie(COOKIE, language(), max_age=YEAR_SECONDS, httponly=True, samesite="Lax")
    return response


def _accepted() -> list[str]:
    """Return the browser's languages, best first, without their countries: zh-TW reads zh before en."""
    return [tag.replace("_", "-").partition("-")[0].lower() for tag in request.accept_languages.values()]


def _for_templates() -> dict[str, object]:
    return {"languages": LANGUAGES, "language": language(), "html_language": HTML_LANGUAGES[language()]}
