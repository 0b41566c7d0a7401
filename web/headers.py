"""What every answer carries: the browser may run, frame and keep nothing that is not ours.

Scripts and styles come from our own files only, so a document whose title is a ``<script>`` could
not run even if escaping failed.  The referrer policy is ``same-origin`` and not ``no-referrer``,
because with the latter browsers send ``Origin: null`` from our own forms.
"""

from flask import Flask, Response, request

POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
ALWAYS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def register(app: Flask) -> None:
    """Add the headers to every answer of ``app``."""
    app.after_request(protect)


def protect(response: Response) -> Response:
    """Add the protecting headers; what may change or is private is not stored."""
    response.headers.update(ALWAYS)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
