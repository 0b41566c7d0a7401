"""Signing in with the key, and out again.  ``web/access.py`` asks for it."""

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from search.errors import Unauthorized
from web.access import is_key, signed_in
from web.service import settings

pages = Blueprint("sign_in", __name__)
WRONG = "this is not the key of this service; it is the value of XUNYI_API_KEY"


@pages.get("/sign-in")
def form() -> ResponseReturnValue:
    """Show the form, where there is a key to ask for."""
    if settings().api_key is None or signed_in():
        return redirect(url_for("search_page.search"), 303)
    return render_template("sign_in.html")


@pages.post("/sign-in")
def enter() -> ResponseReturnValue:
    """Remember who knows the key, and lead on to the page they wanted."""
    api_key = settings().api_key
    if api_key is not None:
        if not is_key(request.form.get("key", "").strip(), api_key):
            raise Unauthorized(WRONG)
        session["signed_in"] = True
    return redirect(_local(request.form.get("next", "")), 303)


@pages.post("/sign-out")
def leave() -> ResponseReturnValue:
    """Forget the sign-in."""
    if settings().api_key is not None:
        session.clear()
    return redirect(url_for("search_page.search"), 303)


def _local(address: str) -> str:
    """Return ``address`` where it is a path of this service, else the first page, so none leads elsewhere."""
    ours = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if ours else url_for("search_page.search")
