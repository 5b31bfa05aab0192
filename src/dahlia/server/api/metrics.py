"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from dahlia.errors import ServiceError
from dahlia.server.api.predictions import ThePredictions
from dahlia.server.backup.automatic import backup_metrics
from dahlia.server.http.access import Reads, TheServer

router = APIRouter(tags=["Health"])


@router.get(
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
