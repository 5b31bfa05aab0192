"""What a server cannot do at the moment, although it answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dahlia.server.jobs.waiting import unserved_lanes, what_to_start

if TYPE_CHECKING:
    from dahlia.server.context import Server

_MEGABYTE = 1024 * 1024


def reasons(server: Server) -> list[str]:
    """Why the server does less than all it can; empty where it does all.

    Everybody who reaches the port may read them, so they name no folder.
    """
    found = []
    if server.database.refused:
        found.append(f"The database takes no writes: {server.database.refused}.")
    if short := server.space.shortage():
        found.append(
            f"The disk of the server's {short.what} is nearly full ({short.free // _MEGABYTE} MB free): "
            "nothing is added; reading, predicting and deleting still work."
        )
    with server.database.read() as session:
        lanes = unserved_lanes(session, server)
    workers = server.settings.jobs.workers
    found += [f"{what_to_start(lane, workers)}; these jobs keep waiting." for lane in lanes]
    return found
