"""Which iterations are published in the database, and the models of iterations on this machine."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sqlalchemy import select

from dahlia.server.database.changes import GONE
from dahlia.server.database.sessions import Database
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.storage.names import servable_prefix
from dahlia.server.storage.storage import Storage
from dahlia.serving.models.loading import Servable

MODELS = "cache/models"
"""The folder in the server's home."""


class DatabaseSource:
    """A `Source` of what all projects of the server have published.

    Args:
        database: has the iterations.
        files: knows where models are.
    """

    changes = True
    projects: Sequence[str] = ()  # they come and go

    def __init__(self, database: Database, files: ModelFiles) -> None:
        self._database = database
        self._files = files
        self._ids: Mapping[tuple[str, int], str] = {}

    def published(self) -> Mapping[str, Mapping[str, int]]:
        """Publish names and iteration numbers, by the id of the project.

        Raises:
            DatabaseError: it cannot be read.
        """
        chosen = (
            select(ProjectRow.id, IterationRow.publish_name, IterationRow.id, IterationRow.number)
            .outerjoin(
                IterationRow,
                (IterationRow.project_key == ProjectRow.key) & IterationRow.publish_name.is_not(None),
            )
            .where(ProjectRow.status != GONE)
            .order_by(ProjectRow.key, IterationRow.key)
        )
        with self._database.read() as session:
            rows = session.execute(chosen).all()
        found: dict[str, dict[str, int]] = {}
        ids: dict[tuple[str, int], str] = {}
        for project, name, iteration, number in rows:
            names = found.setdefault(project, {})
            if name is not None and iteration is not None and number is not None:
                names[name] = number
                ids[project, number] = iteration
        self._ids = ids
        return found

    def has_published(self, iteration: str) -> bool:
        """Whether an iteration was published when that was last read."""
        return iteration in self._ids.values()

    def locate(self, project: str, number: int) -> Servable:
        """Where the files of an iteration are once they are brought."""
        return self._files.servable(self._ids[project, number], number)


class ModelFiles:
    """Copies of what trainings put into the storage.

    Args:
        storage: where it is.
        folder: of this machine; safe to delete while nothing runs.
    """

    def __init__(self, storage: Storage, folder: Path) -> None:
        self._storage = storage
        self._folder = folder
        self._lock = threading.Lock()

    def servable(self, iteration: str, number: int) -> Servable:
        """Where the files of an iteration are once they are brought."""
        return Servable(number, iteration, self._folder / iteration)

    def bring(self, servable: Servable, *, again: bool = False) -> bool:
        """Bring an iteration's files, unless they are here.

        Args:
            servable: of this folder.
            again: replace those that are here, because they cannot be used.

        Returns:
            Whether they were brought.

        Raises:
            StorageError: the storage does not have them, or cannot be used.
        """
        with self._lock:
            if servable.folder.exists() and not again:
                return False
            self._storage.fetch_folder(servable_prefix(servable.id), servable.folder)
            return True

    def forget(self, is_known: Callable[[str], bool]) -> None:
        """Delete the files of iterations that are not known any more, and what a kill left half brought."""
        if not self._folder.exists():
            return
        with self._lock:
            for folder in self._folder.iterdir():
                if not is_known(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)
