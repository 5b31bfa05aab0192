"""`dahlia checkout`: a project of the server as a folder, with its photos and its Git history."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import ConfigError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.jobs.training_data import read_snapshot
from dahlia.server.projects.projects import find_project
from dahlia.server.storage.names import history_key, image_key
from dahlia.server.workspaces.laying import lay_out
from dahlia.server.workspaces.snapshot import Photo
from dahlia.server.workspaces.workspace import restore_history


@dataclass(frozen=True)
class CheckedOut:
    """What was laid out.

    Attributes:
        project: its name.
        iteration: the name of the iteration whose photos and tags it has.
        photos: how many.
    """

    project: str
    iteration: str
    photos: int


def check_out(server: Server, which: str, target: Path) -> CheckedOut:
    """Lay out a project as its last completed iteration saw it; `dvc repro` there gives that one's figures.

    The folder is its own: it records into an MLflow database of its own, and photos are copies.

    Args:
        server: that has the project.
        which: the project's id or its name.
        target: a new folder.

    Raises:
        ConfigError: there is no such project, several have the name, or nothing was trained.
        DahliaError: `target` holds something, or files cannot be read or written.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            f"Expected a new or empty folder, received {target}, which has files. Name another."
        )
    with server.database.read() as session:
        project = find_project(session, which)
        iteration = _iteration(session, project)
        snapshot = read_snapshot(session, project, iteration)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "history.bundle"
        server.storage.fetch(history_key(project.id), bundle)
        restore_history(bundle, target)

    def fetch(photo: Photo, path: Path) -> None:
        server.storage.fetch(image_key(photo.sha256, photo.suffix), path, link=False)

    lay_out(target, snapshot, fetch)
    return CheckedOut(project.name, iteration.name, len(snapshot.photos))


def _iteration(session: Session, project: ProjectRow) -> IterationRow:
    chosen = (
        select(IterationRow)
        .where(
            IterationRow.project_key == project.key,
            IterationRow.status == IterationStatus.COMPLETED,
            IterationRow.run_id.is_not(None),  # those of a copied project have no history
        )
        .order_by(IterationRow.number.desc())
    )
    row = session.scalar(chosen.limit(1))
    if row is None:
        raise ConfigError(
            f"Expected a project of which something was trained, received {project.name!r}. Train it, then "
            "check it out."
        )
    return row
