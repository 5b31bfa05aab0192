"""Adding images, from the request's body, from files in base64, from addresses; their tags and regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from dahlia.errors import ServiceError
from dahlia.http.form_images import FIELD
from dahlia.http.parameters import items_of
from dahlia.server.api.image_batches import (
    Labelling,
    Uploader,
    check_batch,
    check_project,
    labels_in,
    partly_done,
)
from dahlia.server.api.image_bodies import LongTexts, json_body, parsed, read_images
from dahlia.server.api.parameters import (
    PROJECT,
    BatchTags,
    ProjectId,
    Version,
    many_ids,
    one_id,
    training_router,
)
from dahlia.server.contract.bodies import (
    ImageFileBatch,
    ImageRegionBatch,
    ImageRegionEntry,
    ImageTagBatch,
    ImageUrlBatch,
)
from dahlia.server.contract.models import (
    ImageCreateSummary,
    ImageRegionCreateSummary,
    ImageTagCreateEntry,
    ImageTagCreateSummary,
)
from dahlia.server.database.changes import locked
from dahlia.server.http.access import TheServer, Trains
from dahlia.server.http.addresses import Web
from dahlia.server.http.files import Uploaded, capacity_of
from dahlia.server.images.labelling import (
    NewRegion,
    Pair,
    delete_regions,
    draw_regions,
    tag_images,
    untag_images,
)
from dahlia.server.images.labels import box_of
from dahlia.server.images.lifecycle import (
    FETCHED_AT_ONCE,
    Incoming,
    decoded,
    fetch_images,
    most_bytes,
    store_images,
    too_large,
)
from dahlia.server.keys.audit import record

router = training_router("Images")
_BYTES = {"type": "string", "format": "binary"}
_IMAGES_OR_ONE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {FIELD: {"type": "array", "items": _BYTES}},
                    "required": [FIELD],
                }
            },
            "application/octet-stream": {"schema": _BYTES},
        },
    }
}
_PARTLY: dict[int | str, dict[str, Any]] = {
    207: {"model": ImageCreateSummary, "description": "not all images were added"}
}


def _uploader(
    request: Request,
    response: Response,
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    version: Version,
) -> Uploader:
    return Uploader(server, access, request.scope["route"].name, project_id, version, request, response)


_Uploader = Annotated[Uploader, Depends(_uploader)]


@router.post(PROJECT + "/images", responses=_PARTLY, openapi_extra=_IMAGES_OR_ONE)
def create_images_from_data(
    uploader: _Uploader,
    body: Uploaded,
    tag_ids: BatchTags = None,
) -> ImageCreateSummary:
    """Add images: all files of a form, whose field `tagIds` counts as in the query, or the body itself."""
    server = uploader.server
    most_tags = server.settings.limits.batch_tags
    tags = many_ids(tag_ids, most_tags)
    form = read_images(body.content_type, body.take())
    fields = [tag for text in form.list_of("tagIds") for tag in items_of(text)]
    tags = many_ids([*tags, *fields], most_tags)
    check_batch(len(form.images), tags, server.settings.limits)
    check_project(server, uploader.project_id)
    files = store_images(server, form.images)
    return uploader.add(form.files, files, [Labelling(tuple(tags))] * len(files))


@router.post(PROJECT + "/images/files", responses=_PARTLY, openapi_extra=json_body(ImageFileBatch))
def create_images_from_files(
    uploader: _Uploader, body: Uploaded, tag_ids: BatchTags = None
) -> ImageCreateSummary:
    """Add images in base64, with tags and regions."""
    server = uploader.server
    batch, texts = parsed(ImageFileBatch, body.take(), body.content_type)
    labels = labels_in(batch, server.settings.limits, tag_ids)
    check_project(server, uploader.project_id, labels)
    images = _images(batch, texts, most_bytes(server.settings.limits))
    del texts  # and with them the body
    files = store_images(server, images)
    return uploader.add([entry.name for entry in batch.images], files, labels, batch.metadata)


@router.post(PROJECT + "/images/urls", responses=_PARTLY)
async def create_images_from_urls(
    uploader: _Uploader, request: Request, batch: ImageUrlBatch, tag_ids: BatchTags = None
) -> ImageCreateSummary:
    """Add images from addresses, with tags and regions; links of this server are read without a request."""
    server = uploader.server
    labels = labels_in(batch, server.settings.limits, tag_ids)
    await run_in_threadpool(check_project, server, uploader.project_id, labels)
    urls = [entry.url for entry in batch.images]
    files = []
    bring, most = Web(server, request.headers.get("host", "")).bring, most_bytes(server.settings.limits)
    with capacity_of(request).fetch():
        for start in range(0, len(urls), FETCHED_AT_ONCE):
            fetched = await fetch_images(urls[start : start + FETCHED_AT_ONCE], bring, most)
            files += await run_in_threadpool(store_images, server, fetched)
    return await run_in_threadpool(uploader.add, urls, files, labels, batch.metadata)


@router.post(PROJECT + "/images/tags")
def create_image_tags(
    access: Trains, server: TheServer, project_id: ProjectId, batch: ImageTagBatch
) -> ImageTagCreateSummary:
    """Tag images; tags beyond the limit of an image are listed as `exceeded`."""
    limits = server.settings.limits
    pairs = [
        (one_id(pair.image_id, f"tags[{place}].imageId"), one_id(pair.tag_id, f"tags[{place}].tagId"))
        for place, pair in enumerate(batch.tags)
    ]
    check_batch(len({image for image, _ in pairs}), (tag for _, tag in pairs), limits)
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        done = tag_images(session, project, pairs, limits, server.now())
        record(session, server, access, "create_image_tags", project_id, created=len(done.created))
    return ImageTagCreateSummary(
        created=_entries(done.created),
        duplicated=_entries(done.duplicated),
        exceeded=_entries(done.exceeded),
    )


@router.delete(PROJECT + "/images/tags", status_code=204)
def delete_image_tags(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    image_ids: Annotated[
        list[str], Query(alias="imageIds", description="ids of images; repeated or comma-separated")
    ],
    tag_ids: Annotated[
        list[str], Query(alias="tagIds", description="ids of tags; repeated or comma-separated")
    ],
) -> None:
    """Remove all of the tags from all of the images, with the regions that have them."""
    limits = server.settings.limits
    images, tags = many_ids(image_ids, limits.batch_images), many_ids(tag_ids, limits.batch_tags)
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        untag_images(session, project, images, tags)
        record(session, server, access, "delete_image_tags", project_id, images=images, tags=tags)


@router.post(
    PROJECT + "/images/regions",
    responses={207: {"model": ImageRegionCreateSummary, "description": "not all regions were made"}},
)
def create_image_regions(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    version: Version,
    response: Response,
    batch: ImageRegionBatch,
) -> ImageRegionCreateSummary:
    """Draw regions on images, which get the regions' tags."""
    limits = server.settings.limits
    _check_count(len(batch.regions), limits.batch_regions)
    regions = [_region(one, f"regions[{place}]") for place, one in enumerate(batch.regions)]
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        answer = draw_regions(session, project, regions, limits, server.now())
        record(session, server, access, "create_image_regions", project_id, created=len(answer.created))
    if answer.exceeded:
        response.status_code = partly_done(version)
    return answer


@router.delete(PROJECT + "/images/regions", status_code=204)
def delete_image_regions(
    access: Trains,
    server: TheServer,
    project_id: ProjectId,
    region_ids: Annotated[
        list[str], Query(alias="regionIds", description="ids of regions; repeated or comma-separated")
    ],
) -> None:
    """Delete regions; an image loses a tag with the last region that has it."""
    regions = many_ids(region_ids, server.settings.limits.batch_regions)
    with server.database.write() as session:
        project = locked(session, project_id, server.now())
        delete_regions(session, project, regions)
        record(session, server, access, "delete_image_regions", project_id, regions=regions)


def _images(batch: ImageFileBatch, texts: LongTexts, most: int) -> list[Incoming]:
    given = (
        texts.read(entry.contents, most * 5 // 3) for entry in batch.images
    )  # base64 has 4/3, and escapes
    return [too_large(most) if text is None else decoded(text) for text in given]


def _region(entry: ImageRegionEntry, place: str) -> NewRegion:
    image, tag = one_id(entry.image_id, f"{place}.imageId"), one_id(entry.tag_id, f"{place}.tagId")
    return NewRegion(image, tag, box_of(entry, place))


def _entries(pairs: Sequence[Pair]) -> tuple[ImageTagCreateEntry, ...]:
    return tuple(ImageTagCreateEntry(image_id=image, tag_id=tag) for image, tag in pairs)


def _check_count(regions: int, most: int) -> None:
    if not 0 < regions <= most:
        raise ServiceError(
            "BadRequestExceededBatchSize" if regions else "BadRequestImageRegions",
            f"Expected 1 to {most} regions in one call, received {regions}. Send them in several calls.",
        )
