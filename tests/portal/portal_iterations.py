"""Iterations of projects of a running server, made without waiting for a training."""

from __future__ import annotations

from contract_server import RunningServer
from detector_cases import detecting_iteration

from dahlia.server.context import open_server
from dahlia.server.database.changes import project_of
from dahlia.server.disk import private
from dahlia.settings.server import load_settings


def add_detector(server: RunningServer, project: str) -> str:
    """The id of a new iteration of a detection project with the tags red, green and blue."""
    settings = {"DAHLIA_SERVER_HOME": str(server.home), **server.settings}
    opened = open_server(load_settings(None, settings))
    try:
        with opened.database.read() as session:
            row = project_of(session, project)
        with private():  # as the server itself writes
            return detecting_iteration(opened, row).id
    finally:
        opened.database.close()
