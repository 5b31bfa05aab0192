"""What the training of an iteration found out, and how its exports were verified."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from dahlia.server.api.parameters import IterationId, ProjectId, any_case
from dahlia.server.api.routing import ITERATION, own_router
from dahlia.server.contract.enums import ExportPlatform
from dahlia.server.contract.own import IterationEvaluation, IterationValidation
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.addresses import Addresses
from dahlia.server.http.files import file_answer
from dahlia.server.iterations.reports import (
    evaluation_of,
    report_key,
    trained_iteration,
    validation_of,
    verification_of,
)
from dahlia.server.jobs.training_data import PAGE, VALIDATION_PAGE

router = own_router("reports")

_HTML: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


@router.get(ITERATION + "/evaluation", response_model=IterationEvaluation)
def get_evaluation(
    access: Reads, server: TheServer, request: Request, project_id: ProjectId, iteration_id: IterationId
) -> Response:
    """All figures: intervals, thresholds, calibration, confusion, curves, mistakes, likely wrong tags.

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
