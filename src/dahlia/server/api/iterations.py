"""Iterations: list, rename, publish, cancel, delete."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Response

from dahlia.server.api.parameters import IterationId, ProjectId, Version
from dahlia.server.api.routing import ITERATION, PROJECT, training_router
from dahlia.server.contract.bodies import IterationChange
from dahlia.server.contract.iterations import Iteration
from dahlia.server.http.access import Reads, TheServer, Trains
from dahlia.server.iterations import changing, publishing
from dahlia.server.iterations.files import discard_files
from dahlia.server.iterations.finding import iteration_of, iterations_of
from dahlia.server.iterations.progress import Progress, headers_of, progress_of
from dahlia.server.iterations.views import iteration_answer

router = training_router("Iterations")


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
        row = changing.rename_iteration(session, server, access, project_id, iteration_id, body.name)
        if version < "v3" and body.is_default is not None:
            publishing.make_default(session, server, access, project_id, iteration_id, wanted=body.is_default)
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
        changing.delete_iteration(session, server, access, project_id, iteration_id)
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
        publishing.publish(
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
        publishing.unpublish(session, server, access, project_id, iteration_id)
    server.published_changed()


@router.post(ITERATION + "/cancel")
def cancel_training(
    project_id: ProjectId, iteration_id: IterationId, version: Version, access: Trains, server: TheServer
) -> Iteration:
    """End a training; its iteration is then Failed, its `trainingErrorDetails` Cancelled. Dahlia's own."""
    with server.database.write() as session:
        row = changing.cancel_training(session, server, access, project_id, iteration_id)
        return iteration_answer(row, project_id, version)


@router.get(ITERATION + "/progress")
def get_training_progress(
    project_id: ProjectId, iteration_id: IterationId, access: Reads, server: TheServer
) -> Progress:
    """How far a training is, and what it waits for: stage, share done, seconds left. Dahlia's own."""
    with server.database.read() as session:
        return progress_of(session, server, access, iteration_of(session, project_id, iteration_id))
