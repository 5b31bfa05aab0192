"""How good iterations are."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import IterationId, ProjectId, any_case, check_take, many_ids
from dahlia.server.api.routing import ITERATION, training_router
from dahlia.server.contract.enums import OrderBy
from dahlia.server.contract.iterations import ImagePerformance, IterationPerformance
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.queries import Page
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.iterations.performance import (
    PerformanceCache,
    image_answers,
    judged_count,
    judged_images,
    performance_answer,
)

THRESHOLD = 0.5
OVERLAP = 0.3

router = training_router("Performance")


def _performances(request: Request) -> PerformanceCache:
    kept: PerformanceCache = request.app.state.performances
    return kept


_Kept = Annotated[PerformanceCache, Depends(_performances)]
_Tags = Annotated[
    list[str] | None,
    Query(alias="tagIds", description="images with any of these tags; repeated or comma-separated"),
]
_Order = Annotated[
    OrderBy | None,
    any_case(OrderBy),
    Query(alias="orderBy", description="Newest or Oldest first (default: Newest)"),
]


@router.get(ITERATION + "/performance")
def get_iteration_performance(
    project_id: ProjectId,
    iteration_id: IterationId,
    access: Reads,
    server: TheServer,
    performances: _Kept,
    threshold: Annotated[
        float, Query(description="0 to 1: least probability of a prediction that counts")
    ] = THRESHOLD,
    overlap_threshold: Annotated[
        float, Query(alias="overlapThreshold", description="0 to 1; ignored for classification")
    ] = OVERLAP,
) -> IterationPerformance:
    """Precision, recall and average precision, over all and per tag, from predictions of held-out images."""
    _check_share("threshold", threshold)
    _check_share("overlapThreshold", overlap_threshold)
    with server.database.read() as session:
        row = trained(iteration_of(session, project_id, iteration_id))
    return performance_answer(row, performances, threshold)


@router.get(ITERATION + "/performance/images")
def get_image_performances(
    request: Request,
    project_id: ProjectId,
    iteration_id: IterationId,
    access: Reads,
    server: TheServer,
    performances: _Kept,
    tag_ids: _Tags = None,
    order_by: _Order = None,
    take: Annotated[int, Query(ge=0, description="images on the page")] = 50,
    skip: Annotated[int, Query(ge=0, le=2**31 - 1, description="images before the page")] = 0,
) -> list[ImagePerformance]:
    """The images it was trained on, each with its tags and its held-out predictions."""
    limits = server.settings.limits
    tags = many_ids(tag_ids, limits.batch_tags)
    page = _page(take, skip, order_by, limits.page)
    with server.database.read() as session:
        row = trained(iteration_of(session, project_id, iteration_id))
    scores = performances.images(row.id)  # may have to be loaded, with no transaction open
    with server.database.read() as session:
        images = judged_images(session, row, tags, page)
        return image_answers(session, row, images, scores, Addresses.of(server, request))


@router.get(ITERATION + "/performance/images/count")
def get_image_performance_count(
    project_id: ProjectId,
    iteration_id: IterationId,
    access: Reads,
    server: TheServer,
    tag_ids: _Tags = None,
) -> int:
    """How many images it was trained on."""
    tags = many_ids(tag_ids, server.settings.limits.batch_tags)
    with server.database.read() as session:
        row = trained(iteration_of(session, project_id, iteration_id))
        return judged_count(session, row, tags)


def _check_share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ServiceError(
            "BadRequestInvalid", f"Expected {name} from 0 to 1, received {value}. Send another."
        )


def _page(take: int, skip: int, order: OrderBy | None, most: int) -> Page:
    check_take(take, most)
    if order is OrderBy.SUGGESTED:
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected Newest or Oldest for orderBy, received {order}. Take one of these.",
        )
    return Page(take, skip, newest=order is not OrderBy.OLDEST)
