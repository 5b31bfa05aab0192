"""The server itself: its version, what it takes, its jobs and workers, what it counts."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic.alias_generators import to_camel
from starlette.responses import Response

import dahlia
from dahlia.errors import ServiceError
from dahlia.export.formats import flavors_of
from dahlia.server.api.parameters import OnePage, any_case, one_id, own_router
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.backup.folder import backup_metrics
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportPlatform, JobKind, JobLane, JobState
from dahlia.server.contract.own import (
    ExportChoice,
    Features,
    Info,
    Job,
    JobDetails,
    JobPage,
    JobProgress,
    Lane,
    Worker,
)
from dahlia.server.http.access import Administers, Reads, TheServer
from dahlia.server.http.page import reasons
from dahlia.server.iterations.progress import said_of_job
from dahlia.server.jobs.job import State
from dahlia.server.jobs.leases import workers_of
from dahlia.server.jobs.listing import Listed, Wanted, find_job, find_jobs, loads
from dahlia.server.jobs.listing import cancel_job as cancel
from dahlia.server.jobs.queue import lane_of

router = own_router("server")
jobs = own_router("jobs")
metrics_router = APIRouter(tags=["Health"])
_OWN_MATTER = {"decode_memory_mb"}  # of the machine, which no client need know


@router.get("/info")
def get_info(access: Reads, server: TheServer) -> Info:
    """The version, the limits that requests must keep to, the features, the workers and the queue."""
    with server.database.read() as session:
        lanes = loads(session, workers_of(session, server.now()))
    return Info(
        version=dahlia.__version__,
        time=server.now(),
        limits=_limits(server),
        features=_features(server),
        lanes=tuple(
            Lane(lane=JobLane(one.lane), workers=one.workers, waiting=one.waiting, running=one.running)
            for one in lanes
        ),
        warnings=tuple(reasons(server)),
    )


def _job_id(job_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(job_id)


_JobId = Annotated[str, Depends(_job_id)]


@jobs.get("/jobs")
def get_jobs(
    access: Administers,
    server: TheServer,
    page: OnePage,
    state: Annotated[JobState | None, any_case(JobState), Query(description="default: any")] = None,
    kind: Annotated[JobKind | None, any_case(JobKind), Query(description="default: any")] = None,
    project_id: Annotated[str | None, Query(alias="projectId", description="jobs of this project")] = None,
) -> JobPage:
    """A page of the jobs, the newest first."""
    wanted = Wanted(state, kind, one_id(project_id) if project_id else None, page.after)
    with server.database.read() as session:
        found, continuation = page.cut(find_jobs(session, wanted, page.looked_at))
        return JobPage(results=tuple(Job(**_fields(one)) for one in found), continuation=continuation)


@jobs.get("/jobs/{job_id}")
def get_job(access: Administers, server: TheServer, job_id: _JobId) -> JobDetails:
    """One job, with its place in the queue or the remaining time."""
    with server.database.read() as session:
        found = find_job(session, job_id)
        is_open = found.job.state in (State.WAITING, State.RUNNING)
        said = said_of_job(
            session, server, access, found.job if is_open else None, done=found.job.state == State.DONE
        )
        return JobDetails(**_fields(found), progress=JobProgress(**said, error=found.job.error))


@jobs.post("/jobs/{job_id}/cancel")
def cancel_job(access: Administers, server: TheServer, job_id: _JobId) -> Job:
    """End a job: at once if it waits, within seconds if it runs. What it was to make is then Failed."""
    with server.database.write() as session:
        return Job(**_fields(cancel(session, server, access, job_id)))


@jobs.get("/workers")
def get_workers(access: Administers, server: TheServer) -> list[Worker]:
    """The active workers, by name."""
    with server.database.read() as session:
        return [
            Worker(name=one.name, lane=JobLane(one.lane), started=one.started, seen=one.seen, job_id=one.job)
            for one in workers_of(session, server.now())
        ]


@metrics_router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(access: Reads, service: ThePredictions, server: TheServer) -> Response:
    """Predictions by project and publish name, models, backups, the process; for a key of all projects."""
    if access.project_id is not None:
        raise ServiceError(
            "ForbiddenUserInsufficientCapability",
            "The key may not do this: it is restricted to one project, metrics cover all. Make one with "
            "`dahlia keys create --scope read`.",
        )
    backups = backup_metrics(server.settings.backup_folder, server.now())
    return Response(generate_latest(service.registry) + backups, media_type=CONTENT_TYPE_LATEST)


def _limits(server: Server) -> dict[str, int | float]:
    found = server.settings.limits.model_dump(exclude=_OWN_MATTER)
    return {to_camel(name): value for name, value in found.items()} | {
        "maxBodyMb": server.settings.server.max_body_mb
    }


def _features(server: Server) -> Features:
    platforms = [one for one in ExportPlatform if flavors_of(one)]
    return Features(
        url_fetch=server.settings.security.url_fetch,
        detection_training=False,
        exports=tuple(ExportChoice(platform=one, flavors=flavors_of(one)) for one in platforms),
    )


def _fields(found: Listed) -> dict[str, Any]:
    job, progress = found.job, found.job.progress
    share = 1.0 if job.state == State.DONE else float(progress.get("fraction", 0.0))
    return {
        "id": job.id,
        "kind": JobKind(job.kind),
        "state": JobState(job.state),
        "lane": JobLane(lane_of(job)),
        "project_id": found.project_id,
        "project_name": found.project_name,
        "iteration_id": found.iteration_id,
        "iteration_name": found.iteration_name,
        "platform": found.export.platform if found.export else None,
        "flavor": found.export.flavor if found.export else None,
        "created": job.created,
        "started": job.started,
        "ended": job.ended,
        "attempts": job.attempts,
        "worker": job.worker,
        "is_being_cancelled": job.cancel and job.state == State.RUNNING,
        "stage": progress.get("stage") if job.state == State.RUNNING else None,
        "share": min(max(share, 0.0), 1.0),
        "error": job.error,
    }
