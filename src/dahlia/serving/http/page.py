"""The page at `/`: Swagger UI on what `/docs.json` says.

BentoML brings Swagger UI along. Its own page would also load a script of an advertiser, which hears of
everybody who looks at it; this one asks no other server for anything, and tells the browser so.
"""

from __future__ import annotations

from starlette.responses import HTMLResponse

_ASSETS = "./static_content"
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Dahlia: predictions</title>
    <link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">
    <style>body {{ margin: 0; }} .topbar {{ display: none; }}</style>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="{_ASSETS}/swagger-ui-bundle.js" charset="utf-8"></script>
    <script src="{_ASSETS}/swagger-ui-standalone-preset.js" charset="utf-8"></script>
    <script src="{_ASSETS}/swagger-initializer.js" charset="utf-8"></script>
  </body>
</html>
"""
_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"


def front_page() -> HTMLResponse:
    """The page, and the policy that keeps it to this server."""
    return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY})
