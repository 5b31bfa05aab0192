"""The files of iterations that are deleted."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.server.context import Server
from dahlia.server.predictions.model_files import MODELS
from dahlia.server.storage.errors import StorageError
from dahlia.server.storage.names import EXPORTS, ITERATIONS, iteration_prefix
from dahlia.server.store.work_tables import IterationRow

KEPT = timedelta(days=1)  # an import brings files before the row that names them

_AT_ONCE = 500
_logger = logging.getLogger("dahlia.server")


def discard_files(server: Server, iteration_id: str) -> None:
    """Delete what a deleted iteration left; what cannot be deleted now, the next sweep finds.

    Predictions under way have its model in memory. Copies on other machines go when their servers start next.
    """
    shutil.rmtree(server.settings.server.home / MODELS / iteration_id, ignore_errors=True)
    try:
        for prefix in (iteration_prefix(iteration_id), f"{EXPORTS}/{iteration_id}"):
            server.storage.delete_folder(prefix)
    except StorageError as error:
        _logger.warning("Files of the deleted iteration %s are left to the sweep: %s", iteration_id, error)


def stale_prefixes(server: Server, kept: timedelta = KEPT) -> list[str]:
    """The folders in the storage whose iteration is gone, such as `iterations/<id>` and `exports/<id>`.

    Args:
        server: has storage and database.
        kept: folders with a younger file are left alone.

    Raises:
        DahliaError: storage or database cannot be used.
    """
    newest: dict[tuple[str, str], datetime] = {}
    for folder in (ITERATIONS, EXPORTS):
        for entry in server.storage.keys(folder):
            place = (folder, entry.key.split("/")[1])
            newest[place] = max(newest.get(place, entry.modified), entry.modified)
    before = server.now() - kept
    old = [place for place, moment in newest.items() if moment < before and _is_id(place[1])]
    with server.database.read() as session:
        known = _known(session, [identity for _, identity in old])
    return sorted(f"{folder}/{identity}" for folder, identity in old if identity not in known)


def _known(session: Session, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _AT_ONCE):
        some = ids[start : start + _AT_ONCE]
        found.update(session.scalars(select(IterationRow.id).where(IterationRow.id.in_(some))))
    return found


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
