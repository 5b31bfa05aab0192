"""Exports of iterations."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from dahlia.server.api.parameters import IterationId, ProjectId, any_case
from dahlia.server.api.routing import ITERATION, training_router
from dahlia.server.contract.enums import ExportPlatform, ExportStatus
from dahlia.server.contract.iterations import Export
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.http.addresses import Addresses
from dahlia.server.iterations.exporting import export_answer, exports_of, start_export
from dahlia.server.iterations.progress import ExportProgress, export_progress_of, headers_of

router = training_router("Exports")


@router.get(ITERATION + "/export")
def get_exports(
    request: Request,
    project_id: ProjectId,
    iteration_id: IterationId,
    access: Reads,
    server: TheServer,
    response: Response,
) -> list[Export]:
    """The exports of an iteration; those that are Done have a link to a zip, valid for a day.

    Headers (`dahlia-stage`, `dahlia-place`, ...) show the progress of the oldest unfinished one.
    """
    addresses = Addresses.of(server, request)
    with server.database.read() as session:
        rows = exports_of(session, project_id, iteration_id)
        first = [row for row in rows if row.status == ExportStatus.EXPORTING][:1]
        for progress in export_progress_of(session, server, access, first):
            response.headers.update(headers_of(progress))
        return [export_answer(row, addresses) for row in rows]


@router.get(ITERATION + "/export/progress")
def get_export_progress(
    project_id: ProjectId, iteration_id: IterationId, access: Reads, server: TheServer
) -> list[ExportProgress]:
    """How far the exports of an iteration are, and what they wait for. Dahlia's own."""
    with server.database.read() as session:
        rows = exports_of(session, project_id, iteration_id)
        return export_progress_of(session, server, access, rows)


@router.post(ITERATION + "/export")
def export_iteration(
    request: Request,
    project_id: ProjectId,
    iteration_id: IterationId,
    access: Trains,
    server: TheServer,
    platform: Annotated[ExportPlatform, any_case(ExportPlatform), Query(description="where it runs")],
    flavor: Annotated[
        str | None, Query(description="a form of that, such as TensorFlowLite or OnnxFloat16")
    ] = None,
) -> Export:
    """Export an iteration of a compact domain; poll `get_exports` until it is Done."""
    with server.database.write() as session:
        row = start_export(session, server, access, project_id, iteration_id, platform, flavor or None)
        return export_answer(row, Addresses.of(server, request))
