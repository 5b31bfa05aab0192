"""What trainings found out: projects at a glance, reports, comparisons, proofs of exports, heat maps."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from dahlia.errors import ServiceError
from dahlia.server.api.parameters import (
    ITERATION,
    PROJECT,
    IterationId,
    OnePage,
    ProjectId,
    any_case,
    one_id,
    own_router,
)
from dahlia.server.api.performance import OVERLAP, THRESHOLD, check_share
from dahlia.server.api.predictions import ONE_IMAGE, ThePredictions, image_at, sent_image
from dahlia.server.context import Server
from dahlia.server.contract.bodies import ImageUrl
from dahlia.server.contract.enums import ExportPlatform
from dahlia.server.contract.own import (
    ExplainedPrediction,
    IterationValidation,
    ProjectPage,
    ProjectSummary,
)
from dahlia.server.contract.own_comparisons import IterationComparison
from dahlia.server.contract.own_evaluations import DetectorEvaluation, IterationEvaluation
from dahlia.server.database.changes import project_of
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.http.files import file_answer, stored_bytes
from dahlia.server.images.lifecycle import most_bytes
from dahlia.server.images.queries import View, image_of
from dahlia.server.iterations.comparisons import comparison_answer
from dahlia.server.iterations.main_figures import MainFiguresCache
from dahlia.server.iterations.reports import (
    evaluation_of,
    report_key,
    trained_iteration,
    validation_of,
    verification_of,
)
from dahlia.server.jobs.training_data import PAGE, VALIDATION_PAGE
from dahlia.server.predictions.service import PredictionService, published_iteration, tested_iteration
from dahlia.server.projects.views import Summaries, projects_page
from dahlia.server.storage.names import image_key

router = own_router("reports")
projects = own_router("projects")
explanations = own_router("explanations")
_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "model": ExplainedPrediction,
        "description": "the prediction with the map; a picture where `Accept` names `image/png`",
        "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_Tag = Annotated[str | None, Query(description="its name or id (default: the most probable one)")]


@router.get(ITERATION + "/evaluation", response_model=IterationEvaluation | DetectorEvaluation)
def get_evaluation(
    access: Reads, server: TheServer, request: Request, project_id: ProjectId, iteration_id: IterationId
) -> Response:
    """All figures: intervals, thresholds, calibration, confusion, curves, mistakes, likely wrong labels.

    `reportUri` is the same as a page, behind a signed link that a browser opens without a key.
    """
    row = trained_iteration(server, project_id, iteration_id)
    found = evaluation_of(server, row, Addresses.of(server, request))
    return Response(found.model_dump_json(by_alias=True), media_type="application/json; charset=utf-8")


@router.get(ITERATION + "/report", response_class=Response, responses=_HTML)
def get_report(
    access: Reads, server: TheServer, request: Request, project_id: ProjectId, iteration_id: IterationId
) -> Response:
    """The evaluation as a page: one file with its styles, charts and thumbnails, without scripts."""
    row = trained_iteration(server, project_id, iteration_id)
    return file_answer(server, request, report_key(server, row, PAGE))


@router.get(ITERATION + "/validation")
def get_validation(
    access: Reads, server: TheServer, request: Request, project_id: ProjectId, iteration_id: IterationId
) -> IterationValidation:
    """The findings about images and tags, with near-duplicates; `reportUri` is the same as a page."""
    row = trained_iteration(server, project_id, iteration_id)
    return validation_of(server, row, Addresses.of(server, request))


@router.get(ITERATION + "/validation/report", response_class=Response, responses=_HTML)
def get_validation_report(
    access: Reads, server: TheServer, request: Request, project_id: ProjectId, iteration_id: IterationId
) -> Response:
    """The same as a page."""
    row = trained_iteration(server, project_id, iteration_id)
    return file_answer(server, request, report_key(server, row, VALIDATION_PAGE))


@router.get(ITERATION + "/export/verification")
def get_export_verification(
    access: Reads,
    server: TheServer,
    project_id: ProjectId,
    iteration_id: IterationId,
    platform: Annotated[ExportPlatform, any_case(ExportPlatform), Query(description="as it was exported to")],
    flavor: Annotated[str | None, Query(description="default: none")] = None,
) -> dict[str, Any]:
    """How an export was compared with the trained model on photos: `verification.json` of its zip."""
    return verification_of(server, project_id, iteration_id, platform, flavor)


@router.get(ITERATION + "/comparison")
def get_comparison(
    access: Reads,
    server: TheServer,
    request: Request,
    project_id: ProjectId,
    iteration_id: IterationId,
    other: Annotated[str, Query(alias="with", description="id of the iteration to compare it with")],
    threshold: Annotated[
        float, Query(description="0 to 1: least probability of a prediction that counts")
    ] = THRESHOLD,
    overlap_threshold: Annotated[
        float,
        Query(alias="overlapThreshold", description="0 to 1: least overlap of a box that is right"),
    ] = OVERLAP,
) -> IterationComparison:
    """Which images one iteration has right and another wrong, of those that both judged held out.

    A classifier is right if its most probable tag is one of the image's, or if its tags are those that reach
    the threshold, in a project with several tags an image; a detector, if it finds each region and nothing
    else.
    """
    check_share("threshold", threshold)
    check_share("overlapThreshold", overlap_threshold)
    both = iteration_id, one_id(other, "with")
    return comparison_answer(
        server, Addresses.of(server, request), project_id, both, threshold, overlap_threshold
    )


def _figures(request: Request) -> MainFiguresCache:
    kept: MainFiguresCache = request.app.state.figures
    return kept


_Figures = Annotated[MainFiguresCache, Depends(_figures)]


@projects.get("/projects")
def get_project_summaries(
    access: Reads, server: TheServer, request: Request, figures: _Figures, page: OnePage
) -> ProjectPage:
    """A page of the projects, the oldest first, each with counts, iterations and what is published.

    With a key of one project, that one.
    """
    addresses = Addresses.of(server, request)
    with server.database.read() as session:
        found = projects_page(session, access.project_id, page.looked_at, page.after)
        rows, continuation = page.cut(found)
        summaries = Summaries(session, rows, addresses)
    return ProjectPage(results=summaries.told(figures.of), continuation=continuation)


@projects.get(PROJECT)
def get_project_summary(
    access: Reads, server: TheServer, request: Request, figures: _Figures, project_id: ProjectId
) -> ProjectSummary:
    """One of them."""
    with server.database.read() as session:
        row = project_of(session, project_id)
        summaries = Summaries(session, [row], Addresses.of(server, request))
    return summaries.told(figures.of)[0]


def _explained(
    server: TheServer,
    project_id: ProjectId,
    iteration_id: Annotated[
        str | None,
        Query(alias="iterationId", description="default: the iteration trained last"),
    ] = None,
    publish_name: Annotated[str | None, Query(alias="publishName", description="in place of its id")] = None,
) -> IterationRow:
    if iteration_id and publish_name:
        raise ServiceError(
            "BadRequestInvalid",
            "Expected an iteration by iterationId or by publishName, received both. Leave one out.",
        )
    with server.database.read() as session:
        if publish_name:
            return published_iteration(session, project_id, publish_name)
        return tested_iteration(session, project_id, one_id(iteration_id) if iteration_id else None)


_Iteration = Annotated[IterationRow, Depends(_explained)]


@explanations.post(
    PROJECT + "/explain/image", response_class=Response, responses=_ANSWERS, openapi_extra=ONE_IMAGE
)
async def explain_image(
    request: Request,
    project_id: ProjectId,
    access: Reads,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of an image: the file of a form, or the body itself."""
    async with sent_image(request, server, access) as image:
        return await _answer(request, service, project_id, iteration, image, tag)


@explanations.post(PROJECT + "/explain/url", response_class=Response, responses=_ANSWERS)
async def explain_image_url(
    request: Request,
    project_id: ProjectId,
    access: Trains,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    body: ImageUrl,
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of the image at an address."""
    image = await image_at(request, server, service, body.url)
    return await _answer(request, service, project_id, iteration, image, tag)


@explanations.post(PROJECT + "/explain/stored", response_class=Response, responses=_ANSWERS)
async def explain_stored_image(
    request: Request,
    project_id: ProjectId,
    access: Reads,
    server: TheServer,
    service: ThePredictions,
    iteration: _Iteration,
    image_id: Annotated[str, Query(alias="imageId", description="of an image of the project")],
    tag: _Tag = None,
) -> Response:
    """Explain an iteration's prediction of an image of the project."""
    image = await run_in_threadpool(_stored, server, project_id, one_id(image_id))
    return await _answer(request, service, project_id, iteration, image, tag)


def _stored(server: Server, project_id: str, image_id: str) -> bytes:
    with server.database.read() as session:
        project = project_of(session, project_id)
        row = image_of(session, View(project, None), image_id)
    most = most_bytes(server.settings.limits)
    data = stored_bytes(server, image_key(row.sha256, row.suffix), most)
    if data is None:
        raise ServiceError(
            "BadRequestImageSizeBytes",
            f"Expected an image of at most {most:,} bytes, received a larger one. Raise limits.max_image_mb "
            "in the server's settings.",
        )
    return data


async def _answer(
    request: Request,
    service: PredictionService,
    project_id: str,
    iteration: IterationRow,
    image: bytes,
    tag: str | None,
) -> Response:
    return await service.explain(
        project_id, iteration.id, iteration.number, image, tag, request.headers.get("accept", "")
    )
