"""Adding images: from the request's body, from files in base64, from addresses."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from dahlia.http.form_images import FIELD
from dahlia.http.parameters import items_of
from dahlia.server.api.image_batches import (
    Labelling,
    Uploader,
    check_batch,
    check_project,
    labels_in,
)
from dahlia.server.api.image_bodies import LongTexts, json_body, parsed, read_images
from dahlia.server.api.parameters import BatchTags, ProjectId, Version, many_ids
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import ImageFileBatch, ImageUrlBatch
from dahlia.server.contract.models import ImageCreateSummary
from dahlia.server.http.access import TheServer, Trains
from dahlia.server.http.addresses import Web
from dahlia.server.http.files import Uploaded, capacity_of
from dahlia.server.images.storing import (
    AT_ONCE,
    Incoming,
    decoded,
    fetch_images,
    most_bytes,
    store_images,
    too_large,
)

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


def _images(batch: ImageFileBatch, texts: LongTexts, most: int) -> list[Incoming]:
    given = (
        texts.read(entry.contents, most * 5 // 3) for entry in batch.images
    )  # base64 has 4/3, and escapes
    return [too_large(most) if text is None else decoded(text) for text in given]


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
        for start in range(0, len(urls), AT_ONCE):
            fetched = await fetch_images(urls[start : start + AT_ONCE], bring, most)
            files += await run_in_threadpool(store_images, server, fetched)
    return await run_in_threadpool(uploader.add, urls, files, labels, batch.metadata)
