"""The server itself: its version, what it takes, what it does, and who works."""

from __future__ import annotations

from pydantic.alias_generators import to_camel

import dahlia
from dahlia.export.formats import flavors_of
from dahlia.server.api.routing import own_router
from dahlia.server.context import Server
from dahlia.server.contract.enums import ExportPlatform, JobLane
from dahlia.server.contract.own import ExportChoice, Features, Info, Lane
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.page import reasons
from dahlia.server.jobs.leases import workers_of
from dahlia.server.jobs.listing import loads

router = own_router("server")

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
