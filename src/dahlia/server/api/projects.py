"""Projects: list, create, copy, change, delete; and the domains that they can have."""

from __future__ import annotations

from typing import Annotated

from fastapi import Body, Query, Request

from dahlia.server.api.parameters import ProjectId, one_id
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import CreateProjectOptions, ProjectChange
from dahlia.server.contract.domains import DOMAINS, domain_of
from dahlia.server.contract.models import Domain, Project, ProjectExport
from dahlia.server.database.changes import project_of
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.keys.audit import record
from dahlia.server.projects import projects
from dahlia.server.projects.copies import begin_copy, offer_copy
from dahlia.server.projects.projects import NewProject, change_project, projects_of
from dahlia.server.projects.projects import create_project as make_project
from dahlia.server.projects.views import project_answer, project_answers

domains = training_router("Domains")
router = training_router("Projects")


@domains.get("/domains")
def get_domains(access: Reads) -> list[Domain]:
    """The domains that projects can have."""
    return [domain.answer() for domain in DOMAINS]


@domains.get("/domains/{domain_id}")
def get_domain(domain_id: str, access: Reads) -> Domain:
    """One of them."""
    return domain_of(one_id(domain_id)).answer()


@router.get("/projects")
def get_projects(access: Reads, server: TheServer, request: Request) -> list[Project]:
    """All projects, the oldest first; with a key of one project, that one."""
    with server.database.read() as session:
        rows = projects_of(session, access.project_id)
        return project_answers(session, rows, Addresses.of(server, request))


@router.post("/projects")
def create_project(
    access: Trains,
    server: TheServer,
    request: Request,
    name: Annotated[str, Query(description="1 to 128 characters; several projects may have one name")],
    description: Annotated[str | None, Query()] = None,
    domain_id: Annotated[str | None, Query(alias="domainId", description="default: General")] = None,
    classification_type: Annotated[
        str | None,
        Query(alias="classificationType", description="Multiclass or Multilabel (default: Multilabel)"),
    ] = None,
    target_export_platforms: Annotated[
        list[str] | None, Query(alias="targetExportPlatforms", description="repeated or comma-separated")
    ] = None,
    options: Annotated[CreateProjectOptions | None, Body()] = None,
) -> Project:
    """Make a project."""
    platforms = tuple(target_export_platforms or ())
    wanted = NewProject(name, description, domain_id, classification_type, platforms, options)
    with server.database.write() as session:
        row = make_project(session, server, wanted)
        record(session, server, access, "create_project", row.id, name=row.name)
        answer = project_answer(session, row, Addresses.of(server, request))
    server.published_changed()
    return answer


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


@router.get(PROJECT)
def get_project(access: Reads, server: TheServer, request: Request, project_id: ProjectId) -> Project:
    """One project."""
    with server.database.read() as session:
        return project_answer(session, project_of(session, project_id), Addresses.of(server, request))


@router.patch(PROJECT)
def update_project(
    access: Trains, server: TheServer, request: Request, project_id: ProjectId, change: ProjectChange
) -> Project:
    """Change name, description or settings; absent fields stay as they are."""
    with server.database.write() as session:
        row = change_project(session, server, project_id, change)
        changes = change.model_dump(mode="json", exclude_none=True)
        record(session, server, access, "update_project", row.id, changes=changes)
        return project_answer(session, row, Addresses.of(server, request))


@router.delete(PROJECT, status_code=204)
def delete_project(access: Trains, server: TheServer, project_id: ProjectId) -> None:
    """Delete a project with all that belongs to it; refused while an iteration of it is published."""
    projects.delete_project(server, access, project_id)
    server.published_changed()
