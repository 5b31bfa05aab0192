"""Projects, their tags and files: list, create, copy, change, delete; and the domains that they can have."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends, Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from dahlia.http.replies import reply
from dahlia.server.api.parameters import (
    PROJECT,
    OptionalIteration,
    ProjectId,
    Version,
    one_id,
    training_router,
)
from dahlia.server.contract.bodies import CreateProjectOptions, ProjectChange, TagChange
from dahlia.server.contract.domains import DOMAINS, domain_of
from dahlia.server.contract.enums import TaggingStatus
from dahlia.server.contract.models import Domain, Project, ProjectExport, ServiceErrorBody, Tag, TagList
from dahlia.server.database.changes import epoch_of, project_of
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.http.files import file_answer
from dahlia.server.http.middleware import FILES
from dahlia.server.images.queries import View, Wanted, count_images
from dahlia.server.keys.audit import record
from dahlia.server.projects import projects, tags
from dahlia.server.projects.artifacts import artifact_key
from dahlia.server.projects.copies import begin_copy, offer_copy
from dahlia.server.projects.projects import NewProject, change_project, projects_of
from dahlia.server.projects.projects import create_project as make_project
from dahlia.server.projects.views import project_answer, project_answers, tag_answer

domains = training_router("Domains")
router = training_router("Projects")
tags_router = training_router("Tags")
files = APIRouter(tags=["Files"])
artifacts = training_router("Artifacts")
_OCTETS = "application/octet-stream"
_BYTES = {_OCTETS: {"schema": {"type": "string", "format": "binary"}}}


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


def _tag_id(tag_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(tag_id)


TagId = Annotated[str, Depends(_tag_id)]


@tags_router.get(PROJECT + "/tags", response_model=list[Tag])
def get_tags(
    access: Reads, server: TheServer, project_id: ProjectId, iteration: OptionalIteration, version: Version
) -> list[Tag] | Response:
    """The tags of the workspace, or of an iteration, with the numbers of their images."""
    with server.database.read() as session:
        view = View.of(session, project_id, iteration)
        found = tags.tags_of(session, view.project, view.epoch)
        answers = [tag_answer(tag.row, tag.images) for tag in found]
        return _list_of_v1(session, view, answers) if version < "v2" else answers


@tags_router.post(PROJECT + "/tags")
def create_tag(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    name: Annotated[str, Query(description="one line of up to 200 characters that no other tag has")],
    description: Annotated[str | None, Query()] = None,
    kind: Annotated[
        str | None, Query(alias="type", description="Regular, Negative or GeneralProduct (default: Regular)")
    ] = None,
) -> Tag:
    """Make a tag."""
    with server.database.write() as session:
        row = tags.create_tag(session, server, project_id, name, description, kind)
        record(session, server, access, "create_tag", project_id, tag=row.id, name=row.name)
        return tag_answer(row, 0)


@tags_router.get(PROJECT + "/tags/{tag_id}")
def get_tag(
    access: Reads, server: TheServer, project_id: ProjectId, tag_id: TagId, iteration: OptionalIteration
) -> Tag:
    """One tag with the number of its images."""
    with server.database.read() as session:
        project = project_of(session, project_id)
        tag = tags.counted_tag(session, project, tag_id, epoch_of(session, project, iteration))
        return tag_answer(tag.row, tag.images)


@tags_router.patch(PROJECT + "/tags/{tag_id}")
def update_tag(
    access: Trains, server: TheServer, project_id: ProjectId, tag_id: TagId, change: TagChange
) -> Tag:
    """Change name, description or type; absent fields stay as they are."""
    with server.database.write() as session:
        tag = tags.change_tag(session, server, project_id, tag_id, change)
        changes = change.model_dump(mode="json", exclude_none=True)
        record(session, server, access, "update_tag", project_id, tag=tag_id, changes=changes)
        return tag_answer(tag.row, tag.images)


@tags_router.delete(PROJECT + "/tags/{tag_id}", status_code=204)
def delete_tag(access: Trains, server: TheServer, project_id: ProjectId, tag_id: TagId) -> None:
    """Delete a tag with its regions, and remove it from its images."""
    with server.database.write() as session:
        row = tags.delete_tag(session, server, project_id, tag_id)
        record(session, server, access, "delete_tag", project_id, tag=tag_id, name=row.name)


@files.get(
    FILES + "{key:path}",
    response_class=Response,
    responses={
        200: {"description": "the file", "content": _BYTES},
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
    responses={200: {"content": _BYTES}},
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


def _list_of_v1(session: Session, view: View, answers: list[Tag]) -> Response:
    found = TagList(
        tags=tuple(answers),
        total_tagged_images=count_images(session, view, Wanted(TaggingStatus.TAGGED)),
        total_untagged_images=count_images(session, view, Wanted(TaggingStatus.UNTAGGED)),
    )
    return reply(found.model_dump(mode="json", by_alias=True), 200)
