"""Tags and regions of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query, Response

from dahlia.errors import ServiceError
from dahlia.server.api.image_batches import check_batch, partly_done
from dahlia.server.api.parameters import ProjectId, Version, many_ids, one_id
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.contract.bodies import ImageRegionBatch, ImageTagBatch
from dahlia.server.contract.models import (
    ImageRegionCreateSummary,
    ImageTagCreateEntry,
    ImageTagCreateSummary,
)
from dahlia.server.database.changes import locked
from dahlia.server.http.access import TheServer, Trains
from dahlia.server.images.labelling import (
    NewRegion,
    Pair,
    delete_regions,
    draw_regions,
    tag_images,
    untag_images,
)
from dahlia.server.images.labels import box_of
from dahlia.server.keys.audit import record

router = training_router("Images")


@router.post(PROJECT + "/images/tags")
def create_image_tags(
    access: Trains, server: TheServer, project_id: ProjectId, batch: ImageTagBatch
) -> ImageTagCreateSummary:
    """Tag images; tags beyond the limit of an image are listed as `exceeded`."""
    limits = server.settings.limits
    pairs = list(dict.fromkeys((one_id(pair.image_id), one_id(pair.tag_id)) for pair in batch.tags))
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
    regions = [NewRegion(one_id(one.image_id), one_id(one.tag_id), box_of(one)) for one in batch.regions]
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


def _entries(pairs: Sequence[Pair]) -> tuple[ImageTagCreateEntry, ...]:
    return tuple(ImageTagCreateEntry(image_id=image, tag_id=tag) for image, tag in pairs)


def _check_count(regions: int, most: int) -> None:
    if not 0 < regions <= most:
        raise ServiceError(
            "BadRequestExceededBatchSize" if regions else "BadRequestImageRegions",
            f"Expected 1 to {most} regions in one call, received {regions}. Send them in several calls.",
        )
