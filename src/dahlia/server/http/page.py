"""What needs no key: health, the OpenAPI document, the predictions included, and the page that shows it.

A server that answers may still be unable to do something; its health says what.
"""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from sqlalchemy import select
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from dahlia.server.database.errors import DamageError
from dahlia.server.database.tables import ProjectRow
from dahlia.server.http.access import TheServer
from dahlia.server.http.middleware import OWN
from dahlia.server.jobs.waiting import unserved_lanes, what_to_start
from dahlia.serving.bentoml_support import static_files
from dahlia.serving.openapi import CONTRACT_TAGS, contract_paths
from dahlia.serving.openapi_parts import HEADERS, SCHEMAS, said

if TYPE_CHECKING:
    from dahlia.server.context import Server

Json = dict[str, Any]
router = APIRouter(tags=["Health"])
_ASSETS = "/assets"
_PAGE = f"""\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Dahlia: the API</title>
    <link rel="stylesheet" href="{_ASSETS}/swagger-ui.css">
    <link rel="icon" href="data:,">
  </head>
  <body style="margin: 0">
    <div id="swagger-ui"></div>
    <script src="{_ASSETS}/swagger-ui-bundle.js"></script>
    <script src="/docs.js"></script>
  </body>
</html>
"""
_PLAIN = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Dahlia: the API</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <p>The API is described in <a href="/openapi.json">openapi.json</a>. To read it here, install
    BentoML, which brings the files of this page: <code>pip install bentoml</code>.</p>
  </body>
</html>
"""
_SCRIPT = 'SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", docExpansion: "none" });\n'
_POLICY = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
_REFERENCE = re.compile(r"#/components/schemas/(\w+)")
_KEYLESS = ("/healthz", "/readyz", "/files/", f"{OWN}/sign-in")
_KEYS = {"TrainingKey": "Training-Key", "PredictionKey": "Prediction-Key"} | {
    "SubscriptionKey": "Ocp-Apim-Subscription-Key"
}
_SCHEMES: Json = {
    name: {
        "type": "apiKey",
        "in": "header",
        "name": header,
        "description": "A key of the server, in any of the three headers.",
    }
    for name, header in _KEYS.items()
}
_MEGABYTE = 1024 * 1024


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Whether the process answers, even while all its threads wait for a disk or a bucket."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"description": "the database cannot be used"}})
def readyz(server: TheServer) -> dict[str, str | list[str]]:
    """Whether the database answers and is undamaged; `degraded` if the server can only read and predict."""
    with server.database.read() as session:
        session.execute(select(ProjectRow.key).limit(1))
    if server.database.damage:
        raise DamageError(server.database.damage)
    found = reasons(server)
    return {"status": "degraded", "reasons": found} if found else {"status": "ok"}


def install(app: FastAPI) -> None:
    """Serve the page at `/docs`, with Swagger UI's files, which BentoML brings along.

    A server that is installed without BentoML has a page that names the description alone.
    """
    if assets := static_files():
        app.mount(_ASSETS, StaticFiles(directory=assets))
    page = _PAGE if assets else _PLAIN
    app.add_route("/docs", lambda _: HTMLResponse(page, headers={"content-security-policy": _POLICY}))
    app.add_route("/docs.js", lambda _: Response(_SCRIPT, media_type="text/javascript"))
    app.add_route("/openapi.json", lambda _: JSONResponse(describe(app)))


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the predictions, and without 422, which nothing answers."""
    document = with_predictions(app.openapi())
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
    return document


def prediction_paths() -> Json:
    """The operations of the prediction API, by their paths; all of them need a key."""
    paths: Json = copy.deepcopy(contract_paths())
    for path in paths.values():
        operation = path["post"]
        operation["responses"]["403"] = said("The key may not do this.", "Error")
        del operation["security"]
    return paths


def with_predictions(document: Json) -> Json:
    """A document of the training API, completed: predictions, and the keys that operations need.

    Args:
        document: as FastAPI writes it; it is not changed.
    """
    paths = copy.deepcopy(document["paths"])
    for path, operations in paths.items():
        if path.startswith(_KEYLESS):
            for operation in operations.values():
                operation["security"] = []
    paths |= prediction_paths()
    components = copy.deepcopy(document.get("components", {}))
    schemas = components.get("schemas", {})
    components["schemas"] = schemas | _wanted(paths, schemas)
    components["headers"] = HEADERS
    components["securitySchemes"] = _SCHEMES
    return document | {
        "tags": [*document.get("tags", []), *CONTRACT_TAGS],
        "paths": paths,
        "components": components,
        "security": [{name: []} for name in _SCHEMES],
    }


def reasons(server: Server) -> list[str]:
    """Why the server does less than all it can; empty where it does all.

    Everybody who reaches the port may read them, so they name no folder.
    """
    found = []
    if server.database.refused:
        found.append(f"The database takes no writes: {server.database.refused}.")
    if short := server.space.shortage():
        found.append(
            f"The disk of the server's {short.what} is nearly full ({short.free // _MEGABYTE} MB free): "
            "nothing is added; reading, predicting and deleting still work."
        )
    with server.database.read() as session:
        lanes = unserved_lanes(session, server)
    workers = server.settings.jobs.workers
    found += [f"{what_to_start(lane, workers)}; these jobs keep waiting." for lane in lanes]
    return found


def _wanted(paths: Json, known: Json) -> Json:
    """The schemas that paths refer to and that are not known, with those that they refer to."""
    wanted: Json = {}
    names = set(_REFERENCE.findall(json.dumps(paths))) - known.keys()
    while names:
        wanted |= {name: SCHEMAS[name] for name in names}
        names = set(_REFERENCE.findall(json.dumps(wanted))) - known.keys() - wanted.keys()
    return wanted
