"""`portal/openapi.json`: the API as the portal's types are generated from it.

`make portal-types` writes it and the types; a test fails when it is stale.
"""

from __future__ import annotations

import json
from pathlib import Path

from dahlia.server.app import new_api
from dahlia.server.http.page import describe

FILE = Path(__file__).parents[2] / "portal" / "openapi.json"


def described() -> str:
    """The document's text, which depends on the API alone."""
    return json.dumps(describe(new_api()), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
