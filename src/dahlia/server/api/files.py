"""Files: behind signed addresses, which need no key, and of a project for clients that have a key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from dahlia.server.api.parameters import ProjectId
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.models import ServiceErrorBody
from dahlia.server.database.changes import project_of
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.files import file_answer
from dahlia.server.http.middleware import FILES
from dahlia.server.projects.artifacts import artifact_key

router = APIRouter(tags=["Files"])
artifacts = training_router("Artifacts")

_OCTETS = "application/octet-stream"


@router.get(
    FILES + "{key:path}",
    response_class=Response,
    responses={
        200: {"description": "the file", "content": {"application/octet-stream": {}}},
        304: {"description": "the client already has it"},
        403: {"model": ServiceErrorBody, "description": "the address was not signed here, or has expired"},
        404: {"model": ServiceErrorBody, "description": "the file was deleted"},
    },
)
def get_file(server: TheServer, request: Request, key: str) -> Response:
    """A file that an answer of the API named: use its address unchanged, with the signature."""
    server.links.check(FILES + key, request.url.query, server.now())
    return file_answer(server, request, key)


@artifacts.get(
    PROJECT + "/artifacts",
    response_class=Response,
    responses={200: {"content": {_OCTETS: {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_artifact(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    path: Annotated[str, Query(description="of an image or an export, as an answer named it")],
) -> Response:
    """A file of the project: an image, its thumbnail, an export."""
    with server.database.read() as session:
        key = artifact_key(session, project_of(session, project_id), path)
    return file_answer(server, request, key, _OCTETS)
