"""The rows of a copy.

What is copied gets an id that follows from the copy's and its own, so that a step that is repeated finds
what it made before.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.orm import Session

from dahlia.server.database.changes import Versioned, visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, RegionRow, Table, TagRow
from dahlia.server.database.work_tables import IterationRow


@dataclass(frozen=True)
class Copy:
    """An order to copy a project.

    Attributes:
        source: id of the project that is copied.
        target: id of the project that is to hold the copy.
        epoch: of the source whose workspace is copied.
        revision: of the source then.
    """

    source: str
    target: str
    epoch: int
    revision: int

    def payload(self) -> dict[str, Any]:
        """As a job keeps it."""
        return asdict(self)

    def id_of(self, original: str) -> str:
        """The id that something of the source has in the copy."""
        return str(uuid.uuid5(uuid.UUID(self.target), original))


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
