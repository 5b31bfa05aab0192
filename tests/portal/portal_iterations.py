"""Iterations of projects of a running server, made without waiting for a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contract_server import RunningServer
from detector_cases import detecting_iteration
from prediction_cases import add_iteration

from dahlia.server.context import Server, open_server
from dahlia.server.database.changes import project_of
from dahlia.server.database.tables import ProjectRow
from dahlia.server.disk import private
from dahlia.settings.server import load_settings


def add_detector(server: RunningServer, project: str) -> str:
    """The id of a new iteration of a detection project with the tags red, green and blue."""
    with _opened(server, project) as (opened, row), private():  # as the server itself writes
        return detecting_iteration(opened, row).id


def add_failed(server: RunningServer, project: str, reason: str) -> str:
    """The id of a new iteration whose training failed."""
    with _opened(server, project) as (opened, row), private():
        return add_iteration(opened, row, files=False, status="Failed", trained=None, error=reason).id


@contextmanager
def _opened(server: RunningServer, project: str) -> Iterator[tuple[Server, ProjectRow]]:
    settings = {"DAHLIA_SERVER_HOME": str(server.home), **server.settings}
    opened = open_server(load_settings(None, settings))
    try:
        with opened.database.read() as session:
            row = project_of(session, project)
        yield opened, row
    finally:
        opened.database.close()
