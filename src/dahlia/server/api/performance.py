"""What iterations say: how good they are, and what they suggest for untagged images."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import (
    ITERATION,
    PROJECT,
    IterationId,
    ProjectId,
    any_case,
    check_take,
    many_ids,
    one_id,
    training_router,
)
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.context import Server
from dahlia.server.contract.bodies import SuggestionQuery, TagFilter
from dahlia.server.contract.enums import OrderBy, SortBy
from dahlia.server.contract.iterations import (
    ImagePerformance,
    IterationPerformance,
    SuggestedTagAndRegion,
    SuggestionQueryResult,
    SuggestionQueryToken,
)
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.images.queries import Page
from dahlia.server.iterations.iterations import iteration_of, trained
from dahlia.server.iterations.performance import (
    image_answers,
    judged_count,
    judged_images,
    performance_answer,
)
from dahlia.server.iterations.performance_cache import PerformanceCache
from dahlia.server.keys.audit import record
from dahlia.server.keys.keys import Access
from dahlia.server.predictions.queries import Found
from dahlia.server.predictions.rows import (
    Suggestion,
    insert_suggestions,
    stored_suggestion_answer,
    suggestion_answer,
)
from dahlia.server.predictions.suggestions import (
    count_suggestions,
    find_suggestions,
    suggest,
    untagged_images,
)

THRESHOLD = 0.5
OVERLAP = 0.3
router = training_router("Performance")
suggestions = training_router("Suggestions")
_Tags = Annotated[
    list[str] | None,
    Query(alias="tagIds", description="images with any of these tags; repeated or comma-separated"),
]
_Order = Annotated[
    OrderBy | None,
    any_case(OrderBy),
    Query(alias="orderBy", description="Newest or Oldest first (default: Newest)"),
]
_Iteration = Annotated[str, Query(alias="iterationId", description="a trained one")]


def _performances(request: Request) -> PerformanceCache:
    kept: PerformanceCache = request.app.state.performances
    return kept


_Kept = Annotated[PerformanceCache, Depends(_performances)]


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
        float,
        Query(
            alias="overlapThreshold",
            description="0 to 1: least overlap of a box that is right; ignored for classification",
        ),
    ] = OVERLAP,
) -> IterationPerformance:
    """Precision, recall and average precision, over all and per tag, from predictions of held-out images."""
    check_share("threshold", threshold)
    check_share("overlapThreshold", overlap_threshold)
    with server.database.read() as session:
        row = trained(iteration_of(session, project_id, iteration_id))
    return performance_answer(row, performances, threshold, overlap_threshold)


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
    """The images it was trained on, each with its tags and regions, and its held-out predictions."""
    limits = server.settings.limits
    tags = many_ids(tag_ids, limits.batch_tags)
    page = _page(take, skip, order_by, limits.page)
    with server.database.read() as session:
        row = trained(iteration_of(session, project_id, iteration_id))
    scores = performances.of(row.id, row.kind).images  # may have to be loaded, with no transaction open
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


@suggestions.post(PROJECT + "/tagsandregions/suggestions")
async def suggest_tags_and_regions(
    project_id: ProjectId,
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    iteration_id: _Iteration,
    image_ids: Annotated[
        list[str], Query(alias="imageIds", description="untagged, at most 64; repeated or comma-separated")
    ],
) -> list[SuggestedTagAndRegion]:
    """Predict untagged images with an iteration, and replace its earlier suggestions."""
    wanted = (project_id, one_id(iteration_id), many_ids(image_ids))
    iteration, images = await run_in_threadpool(_found, server, *wanted)
    suggestions = await suggest(server, service, iteration, images)
    return await run_in_threadpool(_keep, server, access, project_id, iteration, suggestions)


@suggestions.post(PROJECT + "/images/suggested")
def query_suggested_images(
    project_id: ProjectId,
    access: Reads,
    server: TheServer,
    request: Request,
    iteration_id: _Iteration,
    query: SuggestionQuery,
) -> SuggestionQueryResult:
    """A page of what an iteration suggests for images that are still untagged.

    With tags and a threshold: images for which any of the tags reaches it; thresholds below 0.01 count as 0.
    The surest come first unless `sortBy` says otherwise. Send the token of the answer for the next page.
    """
    query = query.model_copy(update={"tag_ids": tuple(one_id(tag) for tag in query.tag_ids)})
    with server.database.read() as session:
        iteration = trained(iteration_of(session, project_id, one_id(iteration_id)))
        found = find_suggestions(session, iteration, query, server.settings.limits)
    addresses = Addresses.of(server, request)
    results = tuple(stored_suggestion_answer(row, said, project_id, addresses) for row, said in found.rows)
    return SuggestionQueryResult(token=_token(query, found), results=results)


@suggestions.post(PROJECT + "/images/suggested/count")
def query_suggested_image_count(
    project_id: ProjectId, access: Reads, server: TheServer, iteration_id: _Iteration, wanted: TagFilter
) -> dict[str, int]:
    """For each tag that is named, the number of untagged images for which it reaches the threshold."""
    tag_ids = [one_id(tag) for tag in wanted.tag_ids]
    with server.database.read() as session:
        iteration = trained(iteration_of(session, project_id, one_id(iteration_id)))
        return count_suggestions(session, iteration, tag_ids, wanted.threshold, server.settings.limits)


def check_share(name: str, value: float) -> None:
    """See that a parameter is a share.

    Raises:
        ServiceError: it is not between 0 and 1.
    """
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


def _found(
    server: Server, project_id: str, iteration_id: str, image_ids: list[str]
) -> tuple[IterationRow, list[ImageRow]]:
    with server.database.read() as session:
        iteration = trained(iteration_of(session, project_id, iteration_id))
        return iteration, untagged_images(session, iteration, image_ids, server.settings.limits)


def _keep(
    server: Server, access: Access, project_id: str, iteration: IterationRow, suggestions: list[Suggestion]
) -> list[SuggestedTagAndRegion]:
    now = server.now()
    details = {"iteration": iteration.id, "images": len(suggestions)}
    with server.database.write() as session:
        present = iteration_of(session, project_id, iteration.id)
        insert_suggestions(session, present, suggestions, now)
        record(session, server, access, "suggest_tags_and_regions", project_id, **details)
    return [suggestion_answer(one, iteration.id, project_id, now) for one in suggestions]


def _token(query: SuggestionQuery, found: Found) -> SuggestionQueryToken:
    return SuggestionQueryToken(
        tag_ids=query.tag_ids,
        threshold=query.threshold or 0.0,
        session=found.window.session,
        continuation=found.continuation,
        max_count=query.max_count or 0,
        sort_by=query.sort_by or SortBy.ASCENDING,
    )
