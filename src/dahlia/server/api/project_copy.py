"""Copying projects."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request

from dahlia.server.api.parameters import ProjectId
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.models import Project, ProjectExport
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.keys.audit import record
from dahlia.server.projects.copies import begin_copy, offer_copy
from dahlia.server.projects.views import project_answer

router = training_router("Projects")


@router.get(PROJECT + "/export")
def export_project(access: Reads, server: TheServer, project_id: ProjectId) -> ProjectExport:
    """What a copy would contain, and a token to import it on this server within a day."""
    with server.database.read() as session:
        return offer_copy(session, server, project_id)


@router.post("/projects/import")
def import_project(
    access: Trains,
    server: TheServer,
    request: Request,
    token: Annotated[str, Query(description="of export_project")],
    name: Annotated[str | None, Query(description="of the copy; that of the original with ` (1)`")] = None,
) -> Project:
    """Begin a copy; its status is `Importing` until it is complete."""
    with server.database.write() as session:
        row = begin_copy(session, server, token, name)
        record(session, server, access, "import_project", row.id, name=row.name)
        return project_answer(session, row, Addresses.of(server, request))
