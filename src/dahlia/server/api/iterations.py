"""Iterations: train, list, rename, publish, cancel, delete, export."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from dahlia.server.api.parameters import (
    ITERATION,
    PROJECT,
    IterationId,
    ProjectId,
    Version,
    any_case,
    one_id,
    training_router,
)
from dahlia.server.contract.bodies import IterationChange, TrainingParameters
from dahlia.server.contract.enums import ExportPlatform, ExportStatus, TrainingType
from dahlia.server.contract.iterations import Export, Iteration
from dahlia.server.http.access import Reads, TheServer, Trains, allow
from dahlia.server.http.addresses import Addresses
from dahlia.server.iterations import iterations
from dahlia.server.iterations.exporting import export_answer, exports_of, start_export
from dahlia.server.iterations.iterations import discard_files, iteration_of, iterations_of
from dahlia.server.iterations.progress import (
    ExportProgress,
    Progress,
    export_progress_of,
    headers_of,
    iteration_answer,
    progress_of,
)
from dahlia.server.iterations.training import start_training
from dahlia.server.iterations.training_request import TrainingRequest, check_address, check_budget
from dahlia.server.keys.keys import Access, Scope

training = training_router("Training")
router = training_router("Iterations")
exports = training_router("Exports")
_Type = Annotated[
    TrainingType | None,
    any_case(TrainingType),
    Query(alias="trainingType", description="default: Regular"),
]
_Hours = Annotated[
    int, Query(alias="reservedBudgetInHours", description="budget of Advanced training, in hours")
]
_Force = Annotated[bool, Query(alias="forceTrain", description="train although nothing has changed")]
_Address = Annotated[
    str | None,
    Query(
        alias="notificationEmailAddress",
        description="checked and ignored: this server sends no mail; poll the iteration",
    ),
]


@training.post(PROJECT + "/train")
def train_project(
    project_id: ProjectId,
    version: Version,
    access: Trains,
    server: TheServer,
    training_type: _Type = None,
    reserved_budget_in_hours: _Hours = 0,
    force_train: _Force = False,
    notification_email_address: _Address = None,
    body: TrainingParameters | None = None,
) -> Iteration:
    """Train the workspace as it is now; answers at once. Poll the iteration while it is Training."""
    server.rates.take(access.key_id, "train_project", server.settings.rates.train_project)
    check_address(notification_email_address)
    advanced = training_type is TrainingType.ADVANCED
    order = TrainingRequest(
        type=training_type or TrainingType.REGULAR,
        budget_hours=reserved_budget_in_hours if advanced else 0,
        tags=tuple(dict.fromkeys(one_id(tag) for tag in body.selected_tags)) if body else (),
        base=_base(body, access),
        force=force_train,
    )
    check_budget(order, server.settings.jobs.training_timeout_hours)
    with server.database.write() as session:
        row = start_training(session, server, access, project_id, order)
        return iteration_answer(row, project_id, version)


@router.get(PROJECT + "/iterations")
def get_iterations(
    project_id: ProjectId, version: Version, access: Reads, server: TheServer
) -> list[Iteration]:
    """All iterations, the oldest first."""
    with server.database.read() as session:
        return [iteration_answer(row, project_id, version) for row in iterations_of(session, project_id)]


@router.get(ITERATION)
def get_iteration(
    project_id: ProjectId,
    iteration_id: IterationId,
    version: Version,
    access: Reads,
    server: TheServer,
    response: Response,
) -> Iteration:
    """One iteration; while it is trained, headers (`dahlia-stage`, `dahlia-place`, ...) show the progress."""
    with server.database.read() as session:
        row = iteration_of(session, project_id, iteration_id)
        response.headers.update(headers_of(progress_of(session, server, access, row)))
        return iteration_answer(row, project_id, version)


@router.patch(ITERATION)
def update_iteration(
    project_id: ProjectId,
    iteration_id: IterationId,
    body: IterationChange,
    version: Version,
    access: Trains,
    server: TheServer,
) -> Iteration:
    """Rename an iteration; its publish name stays."""
    with server.database.write() as session:
        row = iterations.rename_iteration(session, server, access, project_id, iteration_id, body.name)
        if version < "v3" and body.is_default is not None:
            iterations.make_default(session, server, access, project_id, iteration_id, wanted=body.is_default)
        answer = iteration_answer(row, project_id, version)
    if body.is_default is not None:
        server.published_changed()
    return answer


@router.delete(ITERATION, status_code=204)
def delete_iteration(
    project_id: ProjectId, iteration_id: IterationId, access: Trains, server: TheServer
) -> None:
    """Delete an iteration that is not published, and the images that only it had.

    Its training or export is cancelled; until the worker has stopped, the project cannot be trained.
    """
    with server.database.write() as session:
        iterations.delete_iteration(session, server, access, project_id, iteration_id)
    discard_files(server, iteration_id)


@router.post(ITERATION + "/publish")
def publish_iteration(
    project_id: ProjectId,
    iteration_id: IterationId,
    publish_name: Annotated[str, Query(alias="publishName", description="predictions name it in their path")],
    prediction_id: Annotated[str, Query(alias="predictionId", description="any text; it is stored")],
    access: Trains,
    server: TheServer,
    overwrite: Annotated[
        bool, Query(description="take the name from another iteration, and this one from another name")
    ] = False,
) -> bool:
    """Publish a trained iteration under a name."""
    with server.database.write() as session:
        iterations.publish(
            session,
            server,
            access,
            project_id,
            iteration_id,
            publish_name,
            prediction_id,
            overwrite=overwrite,
        )
    server.published_changed()
    return True


@router.delete(ITERATION + "/publish", status_code=204)
def unpublish_iteration(
    project_id: ProjectId, iteration_id: IterationId, access: Trains, server: TheServer
) -> None:
    """Remove an iteration's publish name."""
    with server.database.write() as session:
        iterations.unpublish(session, server, access, project_id, iteration_id)
    server.published_changed()


@router.post(ITERATION + "/cancel")
def cancel_training(
    project_id: ProjectId, iteration_id: IterationId, version: Version, access: Trains, server: TheServer
) -> Iteration:
    """End a training; its iteration is then Failed, its `trainingErrorDetails` Cancelled. Dahlia's own."""
    with server.database.write() as session:
        row = iterations.cancel_training(session, server, access, project_id, iteration_id)
        return iteration_answer(row, project_id, version)


@router.get(ITERATION + "/progress")
def get_training_progress(
    project_id: ProjectId, iteration_id: IterationId, access: Reads, server: TheServer
) -> Progress:
    """How far a training is, and what it waits for: stage, share done, seconds left. Dahlia's own."""
    with server.database.read() as session:
        return progress_of(session, server, access, iteration_of(session, project_id, iteration_id))


@exports.get(ITERATION + "/export")
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


@exports.get(ITERATION + "/export/progress")
def get_export_progress(
    project_id: ProjectId, iteration_id: IterationId, access: Reads, server: TheServer
) -> list[ExportProgress]:
    """How far the exports of an iteration are, and what they wait for. Dahlia's own."""
    with server.database.read() as session:
        rows = exports_of(session, project_id, iteration_id)
        return export_progress_of(session, server, access, rows)


@exports.post(ITERATION + "/export")
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


def _base(body: TrainingParameters | None, access: Access) -> tuple[str, str] | None:
    named = body.custom_base_model_info if body else None
    if named is None:
        return None
    project_id = one_id(named.project_id)
    allow(access, Scope.READ, project_id)  # it may be another project than that of the path
    return project_id, one_id(named.iteration_id)
