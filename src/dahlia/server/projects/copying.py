"""Filling a copy of a project: rows in steps, then the files of its iterations. Images are shared."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError, ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus, ProjectStatus
from dahlia.server.database.changes import collect_garbage
from dahlia.server.database.tables import ProjectRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.keys.audit import record
from dahlia.server.projects.copied_rows import Copy, Places, copy_images, copy_tags, values_of
from dahlia.server.rescue.recording import write_record
from dahlia.server.storage.errors import NotThere
from dahlia.server.storage.names import iteration_prefix

_STEP = 1_000  # images; a tenth of a second, in which nobody else writes
_PAUSE = 0.01  # seconds, in which those who wait to write get their turn


class _Over(DahliaError):  # noqa: N818
    """The copy was deleted, or another worker has finished it."""


def _go_on() -> None:
    return


def run_import(server: Server, payload: Mapping[str, Any], check: Callable[[], None] = _go_on) -> None:
    """Fill a copy, and say that it is complete. Run again after a kill it goes on from what is there.

    Does nothing where the copy is complete, or was deleted.

    Args:
        server: has both projects.
        payload: of `Copy`.
        check: called between steps; what it raises ends the work.

    Raises:
        ServiceError: the source was deleted meanwhile.
        DahliaError: database or storage cannot be used.
    """
    try:
        places = _find(server, Copy(**payload))
        _copy_rows(server, places, check)
        kept = [row for row in places.iterations if _copy_files(server, places, row, check)]
        _finish(server, places, kept)
    except _Over:
        return


def _find(server: Server, copy: Copy) -> Places:
    with server.database.read() as session:
        target = _target(session, copy, lock=False)
        source = _source(session, copy)
        trained = select(IterationRow).where(
            IterationRow.project_key == source.key,
            IterationRow.status == IterationStatus.COMPLETED,
            IterationRow.epoch <= copy.epoch,
        )
        rows = tuple(session.scalars(trained.order_by(IterationRow.key)))
        return Places(copy, source.key, target.key, rows)


def _source(session: Session, copy: Copy) -> ProjectRow:
    row = session.scalar(select(ProjectRow).where(ProjectRow.id == copy.source))
    if row is None:
        raise ServiceError(
            "ErrorProjectImportRequestFailed",
            "Expected the project that is copied to be there until the copy is complete; it was deleted. "
            "Delete the copy too.",
        )
    return row


def _target(session: Session, copy: Copy, *, lock: bool = True) -> ProjectRow:
    unfinished = select(ProjectRow).where(
        ProjectRow.id == copy.target, ProjectRow.status == ProjectStatus.IMPORTING
    )
    row = session.scalar(unfinished.with_for_update() if lock else unfinished)
    if row is None:
        raise _Over
    return row


def _copy_rows(server: Server, places: Places, check: Callable[[], None]) -> None:
    with server.database.write() as session:
        _target(session, places.copy)
        copy_tags(session, places)
    after: int | None = 0
    while after is not None:
        check()
        with server.database.write() as session:
            _target(session, places.copy)
            _source(session, places.copy)
            after = copy_images(session, places, after, _STEP)
        time.sleep(_PAUSE)


def _copy_files(server: Server, places: Places, row: IterationRow, check: Callable[[], None]) -> bool:
    """Copy what an iteration's training left; whether the iteration is still there."""
    check()
    if not row.files:
        return True
    with tempfile.TemporaryDirectory(prefix="dahlia-copy-") as name:
        folder = Path(name) / "files"
        try:
            server.storage.fetch_folder(iteration_prefix(row.id), folder)
        except NotThere:
            return False  # deleted meanwhile
        _record(server, places, row, folder)
        server.storage.put_folder(iteration_prefix(places.copy.id_of(row.id)), folder)
    return True


def _record(server: Server, places: Places, row: IterationRow, folder: Path) -> None:
    """Put what the files say of the project right: they were those of the source."""
    with server.database.read() as session:
        target, copied = _target(session, places.copy, lock=False), IterationRow(**_iteration(row, places))
        write_record(
            folder,
            session,
            target,
            copied,
            trained=row.trained or row.created,
            minutes=row.minutes,
            run_id=None,
        )


def _finish(server: Server, places: Places, iterations: list[IterationRow]) -> None:
    copy = places.copy
    with server.database.write() as session:
        target, source = _target(session, copy), _source(session, copy)
        session.add_all(IterationRow(**_iteration(row, places)) for row in iterations)
        target.epoch, target.revision = copy.epoch + 1, copy.revision
        target.iterations_made = max((row.number for row in iterations), default=0)
        target.status, target.modified = ProjectStatus.SUCCEEDED, server.now()
        record(session, server, None, "complete_import", target.id, source=source.id)
        session.flush()
    with server.database.write() as session:
        found = session.scalar(select(ProjectRow).where(ProjectRow.key == places.source).with_for_update())
        if found is not None:  # what was removed meanwhile had stayed for the copy
            collect_garbage(session, found.key, copy.epoch)


def _iteration(row: IterationRow, places: Places) -> dict[str, Any]:
    """An iteration of the copy: published nowhere, and without a run of its own."""
    copy = places.copy
    return values_of(
        row,
        id=copy.id_of(row.id),
        project_key=places.target,
        tag_ids={name: copy.id_of(identity) for name, identity in row.tag_ids.items()},
        chosen_tags=[copy.id_of(identity) for identity in row.chosen_tags],
        publish_name=None,
        publish_resource=None,
        run_id=None,
    )
