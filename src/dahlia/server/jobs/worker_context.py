"""What a worker works with: the server's parts, its folders on this disk, its memory, and a warm process."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy import select

from dahlia.dataset.decoding_memory import MEGABYTE, MEMORY, allowed_memory
from dahlia.dataset.decoding_memory import VARIABLE as MEMORY_VARIABLE
from dahlia.server.context import Server
from dahlia.server.database.tables import ImageRow, ProjectRow
from dahlia.server.jobs.order import lanes_of
from dahlia.server.workspaces.workspace import IMAGES, PipelineError, occupied
from dahlia.targets import TRACKING_URI
from dahlia.warm.process import WarmProcess
from dahlia.warm.protocol import VARIABLE

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database
    from dahlia.settings.server import Settings

_WARMING_SECONDS = 20.0
_CHECK_SECONDS = 0.2
_BATCH = 500
_logger = logging.getLogger("dahlia.worker")


@dataclass
class WorkerContext:
    """What a worker uses for all its jobs.

    Attributes:
        server: settings, database, storage, the time.
        stop: set when the worker is to end.
        keeps_warm: whether a warm process is worth its memory; long work gains too little.
    """

    server: Server
    stop: threading.Event = field(default_factory=threading.Event)
    keeps_warm: bool = True
    _warm: WarmProcess | None = None

    def __enter__(self) -> Self:
        """Start what is to be warm when the first job comes."""
        self.environment()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._warm:
            self._warm.close()

    def workspace(self, project_id: str) -> Path:
        """The folder in which a project is trained on this machine."""
        return self._workspaces / project_id

    @property
    def graphs(self) -> Path:
        """The folder of converted backbones, which all projects on this machine share."""
        return self.server.settings.server.home / "cache" / "graphs"

    def scratch(self, job_id: str) -> Path:
        """A folder for one job, to be removed after it."""
        return self.server.settings.server.home / "bench" / job_id

    @property
    def cold_environment(self) -> dict[str, str]:
        """Variables with which a job starts processes that import for themselves."""
        # Not in params.yaml, which is in Git: it may hold a password.
        return {TRACKING_URI: self.server.settings.tracking_uri.reveal()}

    def environment(self) -> dict[str, str]:
        """Variables with which a job starts processes from the warm one, which starts again if it died."""
        settings = self.server.settings
        variables = self.cold_environment
        if not (settings.jobs.warm and self.keeps_warm):
            return variables
        if self._warm is not None and not self._warm.alive:
            _logger.warning("The warm process ended; another starts.")
            self._warm.close()
            self._warm = None
        if self._warm is None:
            self._warm = WarmProcess.start(os.environ)
        return variables | {VARIABLE: str(self._warm.socket)}

    def wait_until_warm(self, check: Callable[[], None]) -> None:
        """Wait some seconds for the warm process: stages that load the same libraries beside it slow both.

        Args:
            check: called now and then; what it raises ends the waiting.
        """
        until = time.monotonic() + _WARMING_SECONDS
        while self._warm and self._warm.alive and time.monotonic() < until:
            check()
            if self._warm.wait_until_ready(_CHECK_SECONDS):
                return

    def tidy(self) -> None:
        """Remove the folders of projects that are there no more, and photos that were deleted.

        Raises:
            DatabaseError: the database cannot be used.
        """
        folders = [path for path in self._workspaces.glob("*-*") if path.is_dir() and _is_uuid(path.name)]
        if not folders:
            return
        names = [path.name for path in folders]
        with self.server.database.read() as session:
            known = set(session.scalars(select(ProjectRow.id).where(ProjectRow.id.in_(names))))
        for folder in folders:
            if folder.name not in known:
                _remove(folder)
        if removed := remove_leftovers(self.server.database, self._workspaces):
            _logger.info("Removed %d photos from workspaces, which were deleted on the server.", removed)

    @property
    def _workspaces(self) -> Path:
        return self.server.settings.server.home / "workspaces"


def remove_leftovers(database: Database, workspaces: Path) -> int:
    """Delete photos that no row names any more from the workspaces in which nobody works.

    A workspace links to the storage's files. A photo that is deleted there uses space until the workspace
    deletes it too, which otherwise happens with the next training.

    Args:
        database: with the rows of the images.
        workspaces: the folder of all workspaces.

    Returns:
        How many there were.

    Raises:
        DatabaseError: the database cannot be used.
    """
    removed = 0
    for folder in sorted(path for path in workspaces.glob("*-*") if path.is_dir()):
        with suppress(PipelineError), occupied(folder, patience=0):
            for path in _unnamed(database, folder / IMAGES):
                with suppress(OSError):
                    path.unlink()
                    removed += 1
    return removed


def limit_worker(settings: Settings) -> None:
    """Bound this process, and those that it starts, which wait as long as it takes."""
    total = allowed_memory(settings.limits.decode_memory_mb)
    share = total // (2 * max(1, len(lanes_of(settings.jobs))))
    MEMORY.limit(share)
    os.environ[MEMORY_VARIABLE] = str(max(1, share // MEGABYTE))


def _is_uuid(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _remove(folder: Path) -> None:
    try:
        with occupied(folder, patience=0):
            shutil.rmtree(folder, ignore_errors=True)
    except PipelineError:
        return  # somebody still works in it, and will hear that it is gone


def _unnamed(database: Database, images: Path) -> Iterator[Path]:
    # One that the storage has as well is another name of the same file, and uses no space.
    alone = [path for path in images.glob("*.*") if path.is_file() and path.stat().st_nlink == 1]
    for start in range(0, len(alone), _BATCH):
        batch = {path.stem: path for path in alone[start : start + _BATCH]}
        with database.read() as session:
            named = set(session.scalars(select(ImageRow.sha256).where(ImageRow.sha256.in_(batch))))
        yield from (path for content, path in batch.items() if content not in named)
