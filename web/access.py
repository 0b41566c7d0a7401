"""Who may ask: the key, the sign-in, and no web page of a stranger.

With ``XUNYI_API_KEY`` every route wants the key: as ``Authorization: Bearer`` or ``api-key`` header,
or from people as a signed cookie that the sign-in form gives for it.  The cookie is signed with
a secret made from the key, so a changed key signs everyone out.  Through the cookie the JSON API
can be read but not written, since browsers attach cookies by themselves.

Without a key the service listens on the loopback address only.  Then any web page the user has
open could still speak to it, so a foreign ``Host`` (DNS rebinding) and a foreign origin are refused.
"""

import hashlib
import hmac
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from flask import Flask, request, session
from flask.sessions import SecureCookieSessionInterface
from werkzeug.exceptions import Forbidden

from search.errors import Unauthorized
from web.errors import asked_by_program
from web.service import settings

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_ENDPOINTS = ("static", "sign_in.form", "sign_in.enter")
WANTED = "give the key as 'Authorization: Bearer KEY' or in the header 'api-key', or sign in on the page"


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, sent over TLS only where the request itself came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether the cookie carries the Secure attribute."""
        return request.is_secure


def register(app: Flask, api_key: str | None) -> None:
    """Guard every route of ``app``."""
    app.session_interface = SessionCookie()
    app.secret_key = _secret(api_key) if api_key else None
    app.config.update(
        SESSION_COOKIE_NAME="xunyi_session", SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Strict"
    )
    app.before_request(guard)


def guard() -> None:
    """Let the current request pass or refuse it.

    Raises:
        Forbidden: it was sent by a foreign web page, or through a foreign host name.
        Unauthorized: a key is set and the request proves no knowledge of it.
    """
    api_key = settings().api_key
    if api_key is None:
        _refuse_foreign_host()
    if request.method not in SAFE_METHODS:
        _refuse_foreign_origin()
    if api_key is not None and request.endpoint not in OPEN_ENDPOINTS and not _knows(api_key):
        raise Unauthorized(WANTED)


def is_key(given: str, api_key: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), api_key.encode("utf-8"))


def signed_in() -> bool:
    """Whether the current request carries a valid session cookie."""
    return session.get("signed_in") is True


def _secret(api_key: str) -> str:
    return hmac.new(api_key.encode("utf-8"), b"xunyi session cookie", hashlib.sha256).hexdigest()


def _knows(api_key: str) -> bool:
    given = _given_key()
    if given is not None:
        return is_key(given, api_key)
    return signed_in() and (request.method in SAFE_METHODS or not asked_by_program())


def _given_key() -> str | None:
    """Return the key of the headers; header bytes arrive as Latin-1 and mean UTF-8."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else request.headers.get("api-key")
    return None if given is None else given.encode("latin-1", "replace").decode("utf-8", "replace")


def _refuse_foreign_host() -> None:
    name = _parsed(f"//{request.headers.get('Host', '')}").hostname or ""
    if name != "localhost" and not _is_loopback(name):
        raise Forbidden(
            f"the host name {name[:100]!r} is not this computer; use localhost, or set XUNYI_API_KEY"
        )


def _parsed(address: str) -> SplitResult:
    """Return the parts of an address; none of one that is malformed."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse_foreign_origin() -> None:
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and _parsed(origin).netloc != request.headers.get("Host")
    if foreign:
        raise Forbidden("this request was sent by a web page of another site; open this service's own page")
