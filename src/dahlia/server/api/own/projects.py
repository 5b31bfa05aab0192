"""Projects at a glance."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from dahlia.server.api.parameters import OnePage, ProjectId
from dahlia.server.api.routing import PROJECT, own_router
from dahlia.server.contract.reports import ProjectPage, ProjectSummary
from dahlia.server.database.changes import project_of
from dahlia.server.http.access import Reads, TheServer
from dahlia.server.http.addresses import Addresses
from dahlia.server.iterations.main_figures import MainFiguresCache
from dahlia.server.projects.views import Summaries, projects_page

router = own_router("projects")


def _figures(request: Request) -> MainFiguresCache:
    kept: MainFiguresCache = request.app.state.figures
    return kept


_Figures = Annotated[MainFiguresCache, Depends(_figures)]


@router.get("/projects")
def get_project_summaries(
    access: Reads, server: TheServer, request: Request, figures: _Figures, page: OnePage
) -> ProjectPage:
    """A page of the projects, the oldest first, each with counts, iterations and what is published.

    With a key of one project, that one.
    """
    addresses = Addresses.of(server, request)
    with server.database.read() as session:
        found = projects_page(session, access.project_id, page.looked_at, page.after)
        rows, continuation = page.cut(found)
        summaries = Summaries(session, rows, addresses)
    return ProjectPage(results=summaries.told(figures.of), continuation=continuation)


@router.get(PROJECT)
def get_project_summary(
    access: Reads, server: TheServer, request: Request, figures: _Figures, project_id: ProjectId
) -> ProjectSummary:
    """One of them."""
    with server.database.read() as session:
        row = project_of(session, project_id)
        summaries = Summaries(session, [row], Addresses.of(server, request))
    return summaries.told(figures.of)[0]
