"""The server itself: its version and limits, its keys and audit log, its jobs and workers, what it counts.

A key's secret is shown once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic.alias_generators import to_camel

import dahlia
from dahlia.errors import ServiceError
from dahlia.export.formats import flavors_of
from dahlia.server.api.parameters import OnePage, any_case, one_id, own_router
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.backup.automatic import backup_metrics
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportPlatform, JobKind, JobLane, JobState
from dahlia.server.contract.models import GatewayErrorBody
from dahlia.server.contract.own import (
    AuditLine,
    AuditPage,
    ExportChoice,
    Features,
    Info,
    Job,
    JobDetails,
    JobPage,
    JobProgress,
    Key,
    KeyOptions,
    KeyPage,
    Lane,
    NewKey,
    SignInToken,
    Worker,
)
from dahlia.server.database.tables import AuditRow, KeyRow
from dahlia.server.http.access import Administers, AnyKey, Reads, TheServer
from dahlia.server.http.page import reasons
from dahlia.server.iterations.progress import said_of_job
from dahlia.server.jobs.job import State
from dahlia.server.jobs.leases import workers_of
from dahlia.server.jobs.listing import Listed, Wanted, find_job, find_jobs, loads
from dahlia.server.jobs.listing import cancel_job as cancel
from dahlia.server.jobs.queue import lane_of
from dahlia.server.keys.audit import Lines, latest
from dahlia.server.keys.keys import Scope, end_key, grant_key, is_active, key_of, keys_page, replace_key
from dahlia.server.keys.sign_in import check_pace
from dahlia.server.keys.sign_in import sign_in as use_link
from dahlia.server.predictions.queries import in_utc
from dahlia.server.projects.choices import one_line

router = own_router("server")
jobs = own_router("jobs")
metrics_router = APIRouter(tags=["Health"])
keys = own_router("keys")
sign_ins = own_router("keys", keyless=True)
audit = own_router("audit log")
_OWN_MATTER = {"decode_memory_mb"}  # of the machine, which no client need know
_ACTION = re.compile(r"[a-z_]{1,64}")
_Moment = Annotated[datetime | None, Query(description="UTC unless it has an offset")]


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
        return JobPage(results=tuple(Job(**_job_fields(one)) for one in found), continuation=continuation)


@jobs.get("/jobs/{job_id}")
def get_job(access: Administers, server: TheServer, job_id: _JobId) -> JobDetails:
    """One job, with its place in the queue or the remaining time."""
    with server.database.read() as session:
        found = find_job(session, job_id)
        is_open = found.job.state in (State.WAITING, State.RUNNING)
        said = said_of_job(
            session, server, access, found.job if is_open else None, done=found.job.state == State.DONE
        )
        return JobDetails(**_job_fields(found), progress=JobProgress(**said, error=found.job.error))


@jobs.post("/jobs/{job_id}/cancel")
def cancel_job(access: Administers, server: TheServer, job_id: _JobId) -> Job:
    """End a job: at once if it waits, within seconds if it runs. What it was to make is then Failed."""
    with server.database.write() as session:
        return Job(**_job_fields(cancel(session, server, access, job_id)))


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


def _key_id(key_id: Annotated[str, Path(json_schema_extra={"format": "uuid"})]) -> str:
    return one_id(key_id)


_KeyId = Annotated[str, Depends(_key_id)]


@keys.get("/me")
def get_own_key(access: AnyKey, server: TheServer) -> Key:
    """The key of this request: its name, what it opens, and until when."""
    with server.database.read() as session:
        return _key_answer(key_of(session, access.key_id), server.now())


@sign_ins.post(
    "/sign-in",
    responses={429: {"model": GatewayErrorBody, "description": "too many attempts; wait a second"}},
)
def sign_in(server: TheServer, request: Request, response: Response, body: SignInToken) -> NewKey:
    """Use a sign-in link, which works once: a key of scope `admin`, which ends after 12 hours.

    No key is needed. `dahlia serve` prints a link at its first start, `dahlia keys link` another one.
    """
    check_pace(server, request.client.host if request.client else "")
    with server.database.write() as session:
        row, text = use_link(session, server, body.token)
        answer = _new_key_answer(row, text, server.now())
    _keep_secret(response)
    return answer


@keys.get("/keys")
def get_keys(
    access: Administers,
    server: TheServer,
    page: OnePage,
    project_id: Annotated[
        str | None, Query(alias="projectId", description="keys that are restricted to this project")
    ] = None,
) -> KeyPage:
    """A page of the keys, the newest first; revoked and expired ones too."""
    project = one_id(project_id) if project_id else None
    with server.database.read() as session:
        rows, continuation = page.cut(keys_page(session, page.looked_at, page.after, project))
        now = server.now()
        return KeyPage(results=tuple(_key_answer(row, now) for row in rows), continuation=continuation)


@keys.post("/keys")
def create_key(access: Administers, server: TheServer, response: Response, body: KeyOptions) -> NewKey:
    """Create a key, which is shown only once.

    It may do no more than the key of this request, and lives no longer.
    """
    name = one_line(body.name, "key", "BadRequestInvalid")
    project = None if body.project_id is None else one_id(body.project_id)
    lifetime = timedelta(days=body.days) if body.days is not None else None
    with server.database.write() as session:
        row, text = grant_key(session, server, access, name, body.scope, project, lifetime)
        answer = _new_key_answer(row, text, server.now())
    _keep_secret(response)
    return answer


@keys.get("/keys/{key_id}")
def get_key(access: Administers, server: TheServer, key_id: _KeyId) -> Key:
    """One of them."""
    with server.database.read() as session:
        return _key_answer(key_of(session, key_id), server.now())


@keys.post("/keys/{key_id}/rotate")
def rotate_key(access: Administers, server: TheServer, response: Response, key_id: _KeyId) -> NewKey:
    """Replace a key by one of the same name, scope, project and lifetime; the old one ends at once."""
    with server.database.write() as session:
        row, text = replace_key(session, server, access, key_id)
        answer = _new_key_answer(row, text, server.now())
    _keep_secret(response)
    return answer


@keys.delete("/keys/{key_id}", status_code=204)
def revoke_key(access: Administers, server: TheServer, key_id: _KeyId) -> None:
    """Revoke a key, which ends at once; the list still shows it."""
    with server.database.write() as session:
        end_key(session, server, access, key_id)


@audit.get("/audit")
def get_audit_log(
    access: Administers,
    server: TheServer,
    page: OnePage,
    project_id: Annotated[str | None, Query(alias="projectId", description="changes of this project")] = None,
    key_id: Annotated[str | None, Query(alias="keyId", description="changes with this key")] = None,
    action: Annotated[str | None, Query(description="the operation, such as `create_project`")] = None,
    since: _Moment = None,
    until: _Moment = None,
) -> AuditPage:
    """A page of the changes, the newest first: who changed what and when."""
    if action and not _ACTION.fullmatch(action):
        raise ServiceError(
            "BadRequestInvalid",
            f"Expected the name of an operation such as create_project, received {action[:80]!r}. Copy it "
            "from a line of the log.",
        )
    lines = Lines(
        project=one_id(project_id) if project_id else None,
        action=action,
        actor=one_id(key_id) if key_id else None,
        since=in_utc(since) if since else None,
        until=in_utc(until) if until else None,
        below=page.after,
    )
    with server.database.read() as session:
        found = latest(session, page.looked_at, lines)
        rows, continuation = page.cut([row for row, _ in found])
        return AuditPage(results=_audit_answers(found[: len(rows)]), continuation=continuation)


def _limits(server: Server) -> dict[str, int | float]:
    found = server.settings.limits.model_dump(exclude=_OWN_MATTER)
    return {to_camel(name): value for name, value in found.items()} | {
        "maxBodyMb": server.settings.server.max_body_mb
    }


def _features(server: Server) -> Features:
    platforms = [one for one in ExportPlatform if flavors_of(one)]
    return Features(
        url_fetch=server.settings.security.url_fetch,
        detection_training=True,
        exports=tuple(ExportChoice(platform=one, flavors=flavors_of(one)) for one in platforms),
    )


def _job_fields(found: Listed) -> dict[str, Any]:
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


def _keep_secret(response: Response) -> None:
    response.headers["cache-control"] = "no-store"


def _key_answer(row: KeyRow, now: datetime) -> Key:
    return Key(**_key_fields(row, now))


def _new_key_answer(row: KeyRow, text: str, now: datetime) -> NewKey:
    return NewKey(**_key_fields(row, now), key=text)


def _key_fields(row: KeyRow, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "hint": row.hint,
        "scope": Scope(row.scope),
        "project_id": row.project_id,
        "created": row.created,
        "expires": row.expires,
        "revoked": row.revoked,
        "is_active": is_active(row, now),
    }


def _audit_answers(lines: Sequence[tuple[AuditRow, str | None]]) -> tuple[AuditLine, ...]:
    return tuple(
        AuditLine(
            created=row.moment,
            action=row.action,
            key_id=row.actor,
            key_name=name,
            project_id=row.project_id,
            request_id=row.request,
            details=row.details,
        )
        for row, name in lines
    )
