"""The job that imports a project."""

from __future__ import annotations

from dahlia.server.jobs.task import Task
from dahlia.server.jobs.workshop import Workshop


def import_project(shop: Workshop, task: Task) -> None:
    """Fill a project from another; see `dahlia.server.projects.copying`.

    Raises:
        DahliaError: it cannot be copied.
        Interrupted: the job is to stop.
        LeaseLost: another worker has it.
    """
    from dahlia.server.projects.copying import run_import

    task.report("import", 0.0)
    run_import(shop.server, task.claimed.payload, task.check)
    task.complete(lambda session, job: None)
