"""Photos in workspaces that no row names any more.

A workspace links to the storage's files, so that a photo that is deleted there takes its room until the
workspace lets go of it too, which would otherwise be with the next training.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from dahlia.server.database.tables import ImageRow
from dahlia.server.workspaces.workspace import IMAGES, PipelineError, occupied

if TYPE_CHECKING:
    from dahlia.server.database.sessions import Database

_BATCH = 500


def remove_leftovers(database: Database, workspaces: Path) -> int:
    """Delete such photos from all workspaces in a folder in which nobody works.

    Returns:
        How many there were.

    Raises:
        StoreError: the database cannot be used.
    """
    removed = 0
    for folder in sorted(path for path in workspaces.glob("*-*") if path.is_dir()):
        with suppress(PipelineError), occupied(folder, patience=0):
            for path in _unnamed(database, folder / IMAGES):
                with suppress(OSError):
                    path.unlink()
                    removed += 1
    return removed


def _unnamed(database: Database, images: Path) -> Iterator[Path]:
    # One that the storage has as well is another name of the same file, and takes no room.
    alone = [path for path in images.glob("*.*") if path.is_file() and path.stat().st_nlink == 1]
    for start in range(0, len(alone), _BATCH):
        batch = {path.stem: path for path in alone[start : start + _BATCH]}
        with database.read() as session:
            named = set(session.scalars(select(ImageRow.sha256).where(ImageRow.sha256.in_(batch))))
        yield from (path for content, path in batch.items() if content not in named)
