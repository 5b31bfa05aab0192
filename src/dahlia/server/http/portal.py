"""The portal at `/`: its page, its files below `/portal/`, and headers that allow it only what it needs.

The page has a nonce of its own in each answer, with which the component library marks its styles.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse, Response

from dahlia.http.replies import no_such_route
from dahlia.server.http.portal_build import PAGE, BuiltFile, PortalBuild

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

    from dahlia.settings.sections import ServerSection

FILES = "/portal/"
"""Where the built files are; the build knows it too (`base` in `portal/vite.config.ts`)."""
_PLACEHOLDER = "__CSP_NONCE__"
_YEAR = 365 * 24 * 3600
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), clipboard-write=(self), display-capture=(), geolocation=(), "
    "microphone=(), midi=(), payment=(), usb=()",
}
_MISSING = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Dahlia</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <h1>Dahlia is running</h1>
    <p>The portal, the web page on which people work with it, has not been built. In a checkout
    <code>make portal</code> builds it; then load this page again. A wheel has it already if it was built
    after <code>make portal</code>.</p>
    <p>The API works without it: <a href="/docs">/docs</a> describes it.</p>
  </body>
</html>
"""


def install(app: FastAPI, section: ServerSection, build: PortalBuild | None = None) -> None:
    """Serve the portal.

    Args:
        app: gets the routes.
        section: says under which address clients reach the server.
        build: the files; None to look where builds are.
    """
    files = build or PortalBuild()
    elsewhere = _origin(section)

    def page(_: Request) -> Response:
        return _page(files.file(PAGE), elsewhere)

    def file(request: Request) -> Response:
        found = files.file(request.path_params["name"])
        return _file(request, found, elsewhere) if found else no_such_route()

    app.add_route("/", page, methods=["GET"])
    app.add_route(FILES + "{name:path}", file, methods=["GET"])


def policy(nonce: str | None, elsewhere: str) -> str:
    """The Content-Security-Policy of the portal.

    Args:
        nonce: that its styles have; None for what is no page.
        elsewhere: another origin at which the server's signed links may be; empty if there is none.
    """
    own = f"'self' {elsewhere}".rstrip()
    styles = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src {own} blob: data:; "
        f"connect-src {own}; font-src 'self'; media-src 'self' blob:; worker-src 'self'; "
        f"manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-src {own}; frame-ancestors 'none'"
    )


def _page(built: BuiltFile | None, elsewhere: str) -> Response:
    nonce = secrets.token_urlsafe(18)
    text = built.content.decode().replace(_PLACEHOLDER, nonce) if built else _MISSING
    # Never kept: the text of one answer and the nonce of another would not fit together.
    headers = _HEADERS | {"cache-control": "no-store", "content-security-policy": policy(nonce, elsewhere)}
    return HTMLResponse(text, headers=headers)


def _file(request: Request, built: BuiltFile, elsewhere: str) -> Response:
    kept = f"public, max-age={_YEAR}, immutable" if built.hashed else "no-cache"
    headers = _HEADERS | {
        "cache-control": kept,
        "etag": built.etag,
        "vary": "accept-encoding",
        "content-security-policy": policy(None, elsewhere),
    }
    if built.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    packed = built.compressed if _takes_gzip(request) else None
    if packed is not None:
        headers["content-encoding"] = "gzip"
    return Response(packed or built.content, headers=headers, media_type=built.media_type)


def _takes_gzip(request: Request) -> bool:
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        if name == "gzip":
            return weight.strip("0.") != "" or not weight
    return False


def _origin(section: ServerSection) -> str:
    """The origin of `server.public_url`, with which signed links begin; empty without one."""
    parts = urlsplit(section.public_url or "")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
