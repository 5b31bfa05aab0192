"""Files of a project, for clients that have a key and no signed address."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from dahlia.server.api.parameters import ProjectId
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.database.changes import project_of
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.files import file_answer
from dahlia.server.projects.artifacts import artifact_key

router = training_router("Artifacts")
_OCTETS = "application/octet-stream"


@router.get(
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
