"""The token that every form carries, so that only our own pages can post to us.

A random value lies in a cookie that scripts cannot read and other sites do not send, and again in
each form; both must be equal.  This holds with and without a key, and needs no secret shared by
the worker processes.  ``web/access.py`` refuses foreign origins before this.
"""

import hmac
import secrets

from flask import Flask, Response, g, request
from werkzeug.exceptions import Forbidden

from web.errors import asked_by_program

COOKIE = "xunyi_form"
FIELD = "form_token"


def register(app: Flask) -> None:
    """Give the token to every template of ``app`` and ask for it at every form of the pages."""
    app.add_template_global(form_token)
    app.before_request(check)
    app.after_request(keep)


def form_token() -> str:
    """Return the token of this browser, making one at the first form it is shown."""
    if "form_token" not in g:
        g.form_token = request.cookies.get(COOKIE) or secrets.token_urlsafe(32)
    token: str = g.form_token
    return token


def check() -> None:
    """Refuse a form that did not come from a page of ours (``Forbidden``)."""
    if request.method != "POST" or request.endpoint is None or asked_by_program():
        return
    sent, kept = request.form.get(FIELD, ""), request.cookies.get(COOKIE, "")
    if not kept or not hmac.compare_digest(sent.encode(), kept.encode()):
        raise Forbidden("this form is out of date; go back, reload the page and send it again")


def keep(response: Response) -> Response:
    """Send the cookie where a form was shown to a browser that has none."""
    if "form_token" in g and not request.cookies.get(COOKIE):
        response.set_cookie(COOKIE, g.form_token, httponly=True, samesite="Strict", secure=request.is_secure)
    return response
