"""Tags."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from dahlia.http.replies import reply
from dahlia.server.api.parameters import OptionalIteration, ProjectId, Version, one_id
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import TagChange
from dahlia.server.contract.enums import TaggingStatus
from dahlia.server.contract.models import Tag, TagList
from dahlia.server.database.changes import epoch_of, project_of
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.images.queries import View, Wanted, count_images
from dahlia.server.keys.audit import record
from dahlia.server.projects import tags
from dahlia.server.projects.views import tag_answer

router = training_router("Tags")


def _list_of_v1(session: Session, view: View, answers: list[Tag]) -> Response:
    found = TagList(
        tags=tuple(answers),
        total_tagged_images=count_images(session, view, Wanted(TaggingStatus.TAGGED)),
        total_untagged_images=count_images(session, view, Wanted(TaggingStatus.UNTAGGED)),
    )
    return reply(found.model_dump(mode="json", by_alias=True), 200)


def _tag_id(tag_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(tag_id)


TagId = Annotated[str, Depends(_tag_id)]


@router.get(PROJECT + "/tags", response_model=list[Tag])
def get_tags(
    access: Reads, server: TheServer, project_id: ProjectId, iteration: OptionalIteration, version: Version
) -> list[Tag] | Response:
    """The tags of the workspace, or of an iteration, with the numbers of their images."""
    with server.database.read() as session:
        view = View.of(session, project_id, iteration)
        found = tags.tags_of(session, view.project, view.epoch)
        answers = [tag_answer(tag.row, tag.images) for tag in found]
        return _list_of_v1(session, view, answers) if version < "v2" else answers


@router.post(PROJECT + "/tags")
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


@router.get(PROJECT + "/tags/{tag_id}")
def get_tag(
    access: Reads, server: TheServer, project_id: ProjectId, tag_id: TagId, iteration: OptionalIteration
) -> Tag:
    """One tag with the number of its images."""
    with server.database.read() as session:
        project = project_of(session, project_id)
        tag = tags.counted_tag(session, project, tag_id, epoch_of(session, project, iteration))
        return tag_answer(tag.row, tag.images)


@router.patch(PROJECT + "/tags/{tag_id}")
def update_tag(
    access: Trains, server: TheServer, project_id: ProjectId, tag_id: TagId, change: TagChange
) -> Tag:
    """Change name, description or type; absent fields stay as they are."""
    with server.database.write() as session:
        tag = tags.change_tag(session, server, project_id, tag_id, change)
        changes = change.model_dump(mode="json", exclude_none=True)
        record(session, server, access, "update_tag", project_id, tag=tag_id, changes=changes)
        return tag_answer(tag.row, tag.images)


@router.delete(PROJECT + "/tags/{tag_id}", status_code=204)
def delete_tag(access: Trains, server: TheServer, project_id: ProjectId, tag_id: TagId) -> None:
    """Delete a tag with its regions, and remove it from its images."""
    with server.database.write() as session:
        row = tags.delete_tag(session, server, project_id, tag_id)
        record(session, server, access, "delete_tag", project_id, tag=tag_id, name=row.name)
