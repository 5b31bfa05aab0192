"""Filling a copy of a project: rows in steps, then the files of its iterations. Images are shared.

What is copied gets an id that follows from the copy's and its own, so that a step that is repeated finds
what it made before.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.orm import Session

from dahlia.errors import DahliaError, ServiceError
from dahlia.server.context import Server
from dahlia.server.contract.enums import IterationStatus, ProjectStatus
from dahlia.server.database.changes import Versioned, collect_garbage, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, Table, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.keys.audit import record
from dahlia.server.projects.copies import Copy
from dahlia.server.rescue.records import write_record
from dahlia.server.storage.backend import NotThere
from dahlia.server.storage.names import iteration_prefix

_STEP = 1_000  # images; a tenth of a second, in which nobody else writes
_PAUSE = 0.01  # seconds, in which those who wait to write get their turn


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


@dataclass(frozen=True)
class Places:
    """What of the source is copied, and where to.

    Attributes:
        copy: the order.
        source: key of the project that is copied.
        target: key of the copy.
        iterations: of the source, those that are trained.
    """

    copy: Copy
    source: int
    target: int
    iterations: tuple[IterationRow, ...]

    def has(self, table: Versioned) -> ColumnElement[bool]:
        """Whether a row was in the workspace, or an iteration that is copied saw it."""
        seen = (visible(table, iteration.epoch) for iteration in self.iterations)
        return and_(table.added <= self.copy.epoch, or_(visible(table, self.copy.epoch), *seen))

    def removed(self, row: TagRow | ImageRow | ImageTagRow | RegionRow) -> int | None:
        """When a row was taken away, as the copy knows it: what came after its epoch did not happen."""
        return row.removed if row.removed is not None and row.removed <= self.copy.epoch else None


def copy_tags(session: Session, places: Places) -> None:
    """Copy all tags."""
    wanted = select(TagRow).where(TagRow.project_key == places.source, places.has(TagRow))
    rows = [
        values_of(tag, id=places.copy.id_of(tag.id), project_key=places.target, removed=places.removed(tag))
        for tag in session.scalars(wanted.order_by(TagRow.key))
    ]
    _add(session, TagRow, rows)


def copy_images(session: Session, places: Places, after: int, step: int) -> int | None:
    """Copy some images with their tags and regions.

    Args:
        session: to write.
        places: from where to where.
        after: key of the last image that was copied before; 0 to begin.
        step: how many.

    Returns:
        The key to go on after; None where these were the last.
    """
    some = select(ImageRow).where(
        ImageRow.project_key == places.source, places.has(ImageRow), ImageRow.key > after
    )
    images = session.scalars(some.order_by(ImageRow.key).limit(step)).all()
    labels = _labels(session, places, images, ImageTagRow)
    tagged = {label.image_key for label in labels if places.removed(label) is None}
    rows = [
        values_of(
            image,
            id=places.copy.id_of(image.id),
            project_key=places.target,
            removed=places.removed(image),
            tagged=image.key in tagged,
        )
        for image in images
    ]
    added = _add(session, ImageRow, rows)
    keys = {image.key: added[new] for image in images if (new := places.copy.id_of(image.id)) in added}
    _copy_labels(session, places, keys, labels, _labels(session, places, images, RegionRow))
    return images[-1].key if len(images) == step else None


def values_of(row: Table, **changed: Any) -> dict[str, Any]:
    """A row's columns without its key, some of them changed."""
    names = (column.key for column in row.__table__.columns)
    return {name: getattr(row, name) for name in names if name != "key"} | changed


class _Over(DahliaError):  # noqa: N818
    """The copy was deleted, or another worker has finished it."""


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


def _labels(session: Session, places: Places, images: Sequence[ImageRow], table: Any) -> Sequence[Any]:
    wanted = select(table).where(table.image_key.in_([image.key for image in images]), places.has(table))
    return session.scalars(wanted.order_by(table.key)).all()


def _copy_labels(
    session: Session,
    places: Places,
    images: Mapping[int, int],
    tags: Sequence[ImageTagRow],
    regions: Sequence[RegionRow],
) -> None:
    """Copy the tags and regions of the images that were added just now."""
    keys = _tag_keys(session, places)
    for table, rows in ((ImageTagRow, tags), (RegionRow, regions)):
        moved = [
            values_of(
                row, image_key=images[row.image_key], tag_key=keys[row.tag_key], removed=places.removed(row)
            )
            for row in rows
            if row.image_key in images and row.tag_key in keys
        ]
        for values in moved:
            if "id" in values:
                values["id"] = places.copy.id_of(values["id"])
        if moved:
            session.execute(insert(table), moved)


def _tag_keys(session: Session, places: Places) -> dict[int, int]:
    """Keys of the copy's tags by those of the source's."""
    ours = session.execute(select(TagRow.id, TagRow.key).where(TagRow.project_key == places.target))
    by_id = dict(ours.all())
    theirs = session.execute(select(TagRow.id, TagRow.key).where(TagRow.project_key == places.source))
    return {key: by_id[new] for identity, key in theirs if (new := places.copy.id_of(identity)) in by_id}


def _add(
    session: Session, table: type[TagRow] | type[ImageRow], rows: Sequence[dict[str, Any]]
) -> dict[str, int]:
    """Add the rows whose ids are not there yet; their keys by their ids."""
    ids = [row["id"] for row in rows]
    present = set(session.scalars(select(table.id).where(table.id.in_(ids))))
    missing = [row for row in rows if row["id"] not in present]
    if not missing:
        return {}
    return dict(session.execute(insert(table).returning(table.id, table.key), missing).all())
