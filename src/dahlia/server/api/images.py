"""Images: finding, counting, describing and deleting them; which, how many, in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Body, Depends, Query, Request, Response
from pydantic import TypeAdapter

from dahlia.errors import ServiceError
from dahlia.server.api.image_batches import partly_done
from dahlia.server.api.parameters import (
    JSON,
    PROJECT,
    OptionalIteration,
    ProjectId,
    Version,
    any_case,
    check_take,
    many_ids,
    training_router,
)
from dahlia.server.context import Server
from dahlia.server.contract.enums import MetadataStatus, OrderBy, TaggingStatus
from dahlia.server.contract.models import Image, ImageMetadataUpdateSummary
from dahlia.server.database.changes import locked
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.lifecycle import remove_all_images, remove_images
from dahlia.server.images.metadata import check_metadata, parse_filter, update_metadata
from dahlia.server.images.queries import (
    Page,
    View,
    Wanted,
    count_images,
    find_images,
    image_answers,
    images_by_id,
)
from dahlia.server.keys.audit import record

router = training_router("Images")
_LAST = 2**31 - 1
_IMAGES = TypeAdapter(list[Image])
_TagIds = Annotated[
    list[str] | None,
    Query(alias="tagIds", description="images with any of these tags; repeated or comma-separated"),
]


def _page(
    server: TheServer,
    order_by: Annotated[
        OrderBy | None,
        any_case(OrderBy),
        Query(alias="orderBy", description="Newest or Oldest first (default: Newest)"),
    ] = None,
    take: Annotated[int, Query(ge=0, description="images on the page; at most 256")] = 50,
    skip: Annotated[int, Query(ge=0, le=_LAST, description="images before the page")] = 0,
) -> Page:
    check_take(take, server.settings.limits.page)
    if order_by is OrderBy.SUGGESTED:
        raise ServiceError(
            "BadRequestInvalid",
            "Expected orderBy to be Newest or Oldest, received Suggested. Ask for suggestions with "
            "query_suggested_images.",
        )
    return Page(take, skip, newest=order_by is not OrderBy.OLDEST)


def _tags(server: TheServer, tag_ids: _TagIds = None) -> list[str]:
    return many_ids(tag_ids, server.settings.limits.batch_tags)


def _counted_tags(server: TheServer, tag_ids: _TagIds = None) -> list[str]:
    return many_ids(tag_ids, server.settings.limits.tags_per_project)


def _any_tags(
    status: Annotated[
        TaggingStatus | None,
        any_case(TaggingStatus),
        Query(alias="taggingStatus", description="All, Tagged or Untagged (default: All)"),
    ] = None,
    metadata: Annotated[
        str | None, Query(alias="$filter", description="such as metadata=camera eq 'left' and row ne '3'")
    ] = None,
) -> Wanted:
    expression = parse_filter(metadata) if metadata and metadata.strip() else None
    return Wanted(status or TaggingStatus.ALL, (), expression)


def _in_page(wanted: _AnyTags, tag_ids: TagIds) -> Wanted:
    return replace(wanted, tag_ids=tag_ids)


def _in_count(wanted: _AnyTags, tag_ids: CountedTagIds) -> Wanted:
    return replace(wanted, tag_ids=tag_ids)


def _image_ids(
    image_ids: Annotated[
        list[str] | None, Query(alias="imageIds", description="ids of images; repeated or comma-separated")
    ] = None,
) -> list[str] | None:
    return image_ids


def _narrowing(
    tag_ids: Annotated[list[str] | None, Query(alias="tagIds", include_in_schema=False)] = None,
    status: Annotated[str | None, Query(alias="taggingStatus", include_in_schema=False)] = None,
    metadata: Annotated[str | None, Query(alias="$filter", include_in_schema=False)] = None,
) -> tuple[str, ...]:
    given = {"tagIds": tag_ids, "taggingStatus": status, "$filter": metadata}
    return tuple(name for name, value in given.items() if value)


_AnyTags = Annotated[Wanted, Depends(_any_tags)]
ImagePage = Annotated[Page, Depends(_page)]
TagIds = Annotated[list[str], Depends(_tags)]
CountedTagIds = Annotated[list[str], Depends(_counted_tags)]
WantedImages = Annotated[Wanted, Depends(_in_page)]
CountedImages = Annotated[Wanted, Depends(_in_count)]
Narrowing = Annotated[tuple[str, ...], Depends(_narrowing)]
"""Names of parameters that choose images, and that an operation does not have."""
ImageIds = Annotated[list[str] | None, Depends(_image_ids)]


@router.get(PROJECT + "/images", response_model=list[Image])
def get_images(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    iteration: OptionalIteration,
    wanted: WantedImages,
    page: ImagePage,
) -> Response:
    """A page of images of the workspace, or of an iteration."""
    return _found(server, request, project_id, iteration, wanted, page)


@router.get(PROJECT + "/images/count")
def get_image_count(
    access: Reads,
    server: TheServer,
    project_id: ProjectId,
    iteration: OptionalIteration,
    wanted: CountedImages,
) -> int:
    """How many images there are."""
    return _counted(server, project_id, iteration, wanted)


@router.get(PROJECT + "/images/tagged", response_model=list[Image])
def get_tagged_images(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    iteration: OptionalIteration,
    tag_ids: TagIds,
    page: ImagePage,
) -> Response:
    """A page of images that have a tag, or one of the given tags."""
    return _found(server, request, project_id, iteration, Wanted(TaggingStatus.TAGGED, tag_ids), page)


@router.get(PROJECT + "/images/tagged/count")
def get_tagged_image_count(
    access: Reads,
    server: TheServer,
    project_id: ProjectId,
    iteration: OptionalIteration,
    tag_ids: CountedTagIds,
) -> int:
    """How many images have a tag, or one of the given tags."""
    return _counted(server, project_id, iteration, Wanted(TaggingStatus.TAGGED, tag_ids))


@router.get(PROJECT + "/images/untagged", response_model=list[Image])
def get_untagged_images(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    iteration: OptionalIteration,
    page: ImagePage,
) -> Response:
    """A page of images without tags."""
    return _found(server, request, project_id, iteration, Wanted(TaggingStatus.UNTAGGED), page)


@router.get(PROJECT + "/images/untagged/count")
def get_untagged_image_count(
    access: Reads, server: TheServer, project_id: ProjectId, iteration: OptionalIteration
) -> int:
    """How many images have no tag."""
    return _counted(server, project_id, iteration, Wanted(TaggingStatus.UNTAGGED))


@router.get(PROJECT + "/images/id", response_model=list[Image])
def get_images_by_ids(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    iteration: OptionalIteration,
    image_ids: ImageIds,
) -> Response:
    """Images by their ids, in the order of the ids; unknown ids are skipped."""
    identities = many_ids(image_ids, server.settings.limits.read_ids)
    with server.database.read() as session:
        view = View.of(session, project_id, iteration)
        rows = images_by_id(session, view, identities)
        return _written(image_answers(session, rows, Addresses.of(server, request), view.epoch))


@router.delete(
    PROJECT + "/images",
    status_code=204,
    response_class=Response,
    responses={202: {"description": "deleted, all of them or from all iterations"}},
)
def delete_images(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    image_ids: ImageIds,
    narrowing: Narrowing,
    all_images: Annotated[bool, Query(alias="allImages", description="all images, instead of ids")] = False,
    all_iterations: Annotated[
        bool, Query(alias="allIterations", description="from the iterations too")
    ] = False,
) -> Response:
    """Delete images from the workspace; iterations keep what they saw, unless `allIterations` is set."""
    identities = many_ids(image_ids, server.settings.limits.delete_images)
    if bool(identities) == all_images:
        raise ServiceError(
            "BadRequestRequiredParamIsNull" if not all_images else "BadRequestInvalid",
            f"Expected either imageIds or allImages=true, received {'both' if all_images else 'neither'}. "
            "Send the one that you mean.",
        )
    if narrowing:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected imageIds or allImages, received {', '.join(narrowing)}. "
            "No images are deleted by that: list them with get_images, and delete them by their ids.",
        )
    if all_images:
        remove_all_images(server, access, project_id, everywhere=all_iterations)
    else:
        with server.database.write() as session:
            project = locked(session, project_id, server.now())
            remove_images(session, project, identities, everywhere=all_iterations)
            details = {"images": identities, "everywhere": all_iterations}
            record(session, server, access, "delete_images", project_id, **details)
    return Response(status_code=202 if all_images or all_iterations else 204)


@router.post(
    PROJECT + "/images/metadata",
    responses={207: {"model": ImageMetadataUpdateSummary, "description": "not all were updated"}},
)
def update_image_metadata(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    version: Version,
    response: Response,
    image_ids: ImageIds,
    metadata: Annotated[dict[str, str], Body(description="entries to set; others stay")],
) -> ImageMetadataUpdateSummary:
    """Set entries of images' metadata."""
    limits = server.settings.limits
    identities = many_ids(image_ids, limits.read_ids)
    if not identities:
        raise ServiceError(
            "BadRequestRequiredParamIsNull", "Expected imageIds, received none. Send some ids."
        )
    check_metadata(metadata, limits)
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        entries = update_metadata(session, project, identities, metadata, limits)
        details: dict[str, Any] = {"images": identities, "keys": sorted(metadata)}
        record(session, server, access, "update_image_metadata", project_id, **details)
    successful = all(entry.status is MetadataStatus.OK for entry in entries)
    if not successful:
        response.status_code = partly_done(version)
    return ImageMetadataUpdateSummary(is_batch_successful=successful, images=tuple(entries))


def _found(
    server: Server, request: Request, project_id: str, iteration: str | None, wanted: Wanted, page: Page
) -> Response:
    with server.database.read() as session:
        view = View.of(session, project_id, iteration)
        rows = find_images(session, view, wanted, page)
        return _written(image_answers(session, rows, Addresses.of(server, request), view.epoch))


def _counted(server: Server, project_id: str, iteration: str | None, wanted: Wanted) -> int:
    with server.database.read() as session:
        return count_images(session, View.of(session, project_id, iteration), wanted)


def _written(images: list[Image]) -> Response:
    """A page in JSON; FastAPI would first turn thousands of regions into other objects."""
    return Response(_IMAGES.dump_json(images, by_alias=True, exclude_unset=True), media_type=JSON)
