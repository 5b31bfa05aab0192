"""Suggestions: what an iteration says of untagged images."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.concurrency import run_in_threadpool

from dahlia.server.api.parameters import ProjectId, many_ids, one_id
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.api.routing import PROJECT, training_router
from dahlia.server.context import Server
from dahlia.server.contract.bodies import SuggestionQuery, TagFilter
from dahlia.server.contract.enums import SortBy
from dahlia.server.contract.iterations import (
    SuggestedTagAndRegion,
    SuggestionQueryResult,
    SuggestionQueryToken,
)
from dahlia.server.database.tables import ImageRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.iterations.finding import iteration_of, trained
from dahlia.server.keys.audit import record
from dahlia.server.keys.scopes import Access
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

router = training_router("Suggestions")

_Iteration = Annotated[str, Query(alias="iterationId", description="a trained one")]


@router.post(PROJECT + "/tagsandregions/suggestions")
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


@router.post(PROJECT + "/images/suggested")
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


@router.post(PROJECT + "/images/suggested/count")
def query_suggested_image_count(
    project_id: ProjectId, access: Reads, server: TheServer, iteration_id: _Iteration, wanted: TagFilter
) -> dict[str, int]:
    """For each tag that is named, the number of untagged images for which it reaches the threshold."""
    tag_ids = [one_id(tag) for tag in wanted.tag_ids]
    with server.database.read() as session:
        iteration = trained(iteration_of(session, project_id, one_id(iteration_id)))
        return count_suggestions(session, iteration, tag_ids, wanted.threshold, server.settings.limits)


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
