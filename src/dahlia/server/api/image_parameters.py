"""Which images, how many of them, and in which order: what queries say about that."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import any_case, check_take, many_ids
from dahlia.server.contract.enums import OrderBy, TaggingStatus
from dahlia.server.http.access import TheServer
from dahlia.server.images.metadata import parse_filter
from dahlia.server.images.queries import Page, Wanted

_LAST = 2**31 - 1
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


def _wanted(wanted: _AnyTags, tag_ids: TagIds) -> Wanted:
    return replace(wanted, tag_ids=tag_ids)


def _counted(wanted: _AnyTags, tag_ids: CountedTagIds) -> Wanted:
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
WantedImages = Annotated[Wanted, Depends(_wanted)]
CountedImages = Annotated[Wanted, Depends(_counted)]
Narrowing = Annotated[tuple[str, ...], Depends(_narrowing)]
"""Names of parameters that choose images, and that an operation does not have."""
ImageIds = Annotated[list[str] | None, Depends(_image_ids)]
