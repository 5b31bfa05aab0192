"""Writing what an iteration's files say about its project; see `records`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

import dahlia
from dahlia.files import write_text
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow
from dahlia.server.rescue.records import (
    IMAGES_TABLE,
    RECORD,
    ImageEntry,
    IterationPart,
    ProjectPart,
    Record,
    RegionEntry,
    TagPart,
    images_writer,
)

_BATCH = 2000

_Image: TypeAlias = Row[int, str, str, datetime, dict[str, str]]


def write_record(
    folder: Path,
    session: Session,
    project: ProjectRow,
    iteration: IterationRow,
    *,
    trained: datetime,
    minutes: int,
    run_id: str | None,
) -> None:
    """Write `images.parquet` and `iteration.json` of an iteration.

    Args:
        folder: where to.
        session: to read with.
        project: whose rows are written, as the iteration's epoch sees them.
        iteration: need not be in the database.
        trained: when it was.
        minutes: that the training took.
        run_id: of its MLflow run, if it has one.
    """
    tags = session.scalars(select(TagRow).where(*_seen(iteration, TagRow)).order_by(TagRow.key)).all()
    names = {tag.key: tag.id for tag in tags}
    with images_writer(folder / IMAGES_TABLE) as table:
        for images in _batches(session, iteration):
            table.add(_entries(session, images, names, iteration.epoch))
    record = Record(
        dahlia=dahlia.__version__,
        trained=trained,
        minutes=minutes,
        run_id=run_id,
        project=ProjectPart.model_validate(project, from_attributes=True),
        iteration=IterationPart.model_validate(iteration, from_attributes=True),
        tags=tuple(TagPart.model_validate(tag, from_attributes=True) for tag in tags),
    )
    write_text(folder / RECORD, record.model_dump_json(indent=2) + "\n")


def _batches(session: Session, iteration: IterationRow) -> Iterator[Sequence[_Image]]:
    columns = (ImageRow.key, ImageRow.id, ImageRow.sha256, ImageRow.created, ImageRow.details)
    chosen = select(*columns).where(*_seen(iteration, ImageRow)).order_by(ImageRow.key)
    last = 0
    while rows := session.execute(chosen.where(ImageRow.key > last).limit(_BATCH)).all():
        yield rows
        last = rows[-1].key


def _entries(
    session: Session, images: Sequence[_Image], names: dict[int, str], epoch: int
) -> list[ImageEntry]:
    keys = [image.key for image in images]
    tags: dict[int, list[str]] = defaultdict(list)
    pairs = select(ImageTagRow.image_key, ImageTagRow.tag_key).order_by(ImageTagRow.key)
    for image, tag in session.execute(
        pairs.where(ImageTagRow.image_key.in_(keys), visible(ImageTagRow, epoch))
    ):
        if tag in names:
            tags[image].append(names[tag])
    regions = _regions(session, keys, names, epoch)
    return [
        ImageEntry(
            image.id, image.sha256, image.created, image.details,
            tuple(tags[image.key]), tuple(regions[image.key]),
        )
        for image in images
    ]  # fmt: skip


def _regions(
    session: Session, keys: Sequence[int], names: dict[int, str], epoch: int
) -> dict[int, list[RegionEntry]]:
    found: dict[int, list[RegionEntry]] = defaultdict(list)
    chosen = select(RegionRow).where(RegionRow.image_key.in_(keys), visible(RegionRow, epoch))
    for row in session.scalars(chosen.order_by(RegionRow.key)):
        if row.tag_key in names:
            found[row.image_key].append(
                RegionEntry(row.id, names[row.tag_key], row.left, row.top, row.width, row.height)
            )
    return found


def _seen(
    iteration: IterationRow, table: type[TagRow] | type[ImageRow]
) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.project_key == iteration.project_key, visible(table, iteration.epoch)
