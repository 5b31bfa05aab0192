"""What an iteration's files say about its project, so that a lost database can be rebuilt from the storage.

`iteration.json` names project, tags and iteration; `images.parquet` every image that the project had then.
They are written with the other files of a training, `iteration.json` last.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

import dahlia
from dahlia.dataset.manifest import opened_table
from dahlia.errors import DatasetError
from dahlia.files import staged_file, write_text
from dahlia.server.contract.enums import Classifier, TagType, TrainingType
from dahlia.server.database.changes import visible
from dahlia.server.database.tables import ImageRow, ImageTagRow, ProjectRow, RegionRow, TagRow
from dahlia.server.database.work_tables import IterationRow

RECORD = "iteration.json"
IMAGES_TABLE = "images.parquet"
_REGION = pa.struct(
    [("id", pa.string()), ("tag", pa.string())]
    + [(side, pa.float64()) for side in ("left", "top", "width", "height")]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("created", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("metadata", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.string()), nullable=False),
        pa.field("regions", pa.list_(_REGION), nullable=False),
    ]
)

_ROWS_AT_ONCE = 2000
_Image: TypeAlias = Row[int, str, str, datetime, dict[str, str]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProjectPart(_Part):
    """The project; addresses that may hold credentials are not written.

    Records of earlier versions do not have `use_negative_set`, which the API said of every project.
    """

    id: str
    name: str
    description: str
    pipeline_name: str
    domain_id: str
    classification: Classifier | None
    export_platforms: tuple[str, ...]
    use_negative_set: bool = True
    augmentation: dict[str, bool]
    created: datetime


class TagPart(_Part):
    """A tag that the project had, whether it was trained or not."""

    id: str
    name: str
    description: str
    type: TagType
    created: datetime


class IterationPart(_Part):
    """The iteration; see `dahlia.server.database.work_tables.IterationRow`.

    Records of earlier versions do not have `use_negative_set`: those iterations were trained without.
    """

    id: str
    number: int
    name: str
    created: datetime
    domain_id: str
    classification: Classifier | None
    use_negative_set: bool = False
    training_type: TrainingType
    budget_hours: int
    chosen_tags: tuple[str, ...]
    tag_ids: dict[str, str]
    base_project_id: str | None
    base_iteration_id: str | None


class Record(_Part):
    """`iteration.json`.

    Attributes:
        format: of this file and of the table.
        dahlia: the version that wrote it.
        trained: when it was.
        minutes: that the training took.
        run_id: of its MLflow run; None for an iteration of a copied project.
        project: as it was then.
        iteration: without what is known only later, such as its publish name.
        tags: all of the project.
    """

    format: Literal[1] = 1
    dahlia: str
    trained: datetime
    minutes: int
    run_id: str | None
    project: ProjectPart
    iteration: IterationPart
    tags: tuple[TagPart, ...]


@dataclass(frozen=True, slots=True)
class RegionEntry:
    """A region; `tag` is the id of its tag."""

    id: str
    tag: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """An image as an iteration saw it.

    Attributes:
        id: None where only its content is known.
        sha256: of its bytes.
        created: None where it is not known.
        metadata: of the user.
        tags: ids.
        regions: none for classifiers.
    """

    id: str | None
    sha256: str
    created: datetime | None = None
    metadata: dict[str, str] | None = None
    tags: tuple[str, ...] = ()
    regions: tuple[RegionEntry, ...] = ()


class ImagesWriter:
    """Writes the table batch by batch; see `images_writer`."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file

    def add(self, images: Sequence[ImageEntry]) -> None:
        """Add images, each with its id and its moment."""
        self._file.write_batch(pa.RecordBatch.from_pylist([_row(image) for image in images], SCHEMA))


@contextmanager
def images_writer(path: Path) -> Iterator[ImagesWriter]:
    """A table that is there, whole, when the block has ended."""
    with staged_file(path) as staged, pq.ParquetWriter(staged, SCHEMA, compression="zstd") as file:
        yield ImagesWriter(file)


def read_images(path: Path) -> list[ImageEntry]:
    """Read the table.

    Raises:
        DatasetError: it is missing, damaged, or of another version.
    """
    with opened_table(path, SCHEMA, "dahlia rescue") as file:
        batches = file.iter_batches(_ROWS_AT_ONCE)
        try:
            return [_entry(row) for batch in batches for row in batch.to_pylist()]
        except (ValueError, TypeError) as error:
            raise DatasetError(
                f"Expected a table of images in {path}, received damaged rows ({error})."
            ) from error


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


def _row(image: ImageEntry) -> dict[str, Any]:
    return {
        "id": image.id,
        "sha256": image.sha256,
        "created": image.created,
        "metadata": json.dumps(image.metadata or {}, ensure_ascii=False),
        "tags": image.tags,
        "regions": [{name: getattr(region, name) for name in _REGION.names} for region in image.regions],
    }


def _entry(row: dict[str, Any]) -> ImageEntry:
    return ImageEntry(
        id=row["id"],
        sha256=row["sha256"],
        created=row["created"].astimezone(UTC),
        metadata=json.loads(row["metadata"]),
        tags=tuple(row["tags"]),
        regions=tuple(RegionEntry(**region) for region in row["regions"]),
    )


def _batches(session: Session, iteration: IterationRow) -> Iterator[Sequence[_Image]]:
    columns = (ImageRow.key, ImageRow.id, ImageRow.sha256, ImageRow.created, ImageRow.details)
    chosen = select(*columns).where(*_seen(iteration, ImageRow)).order_by(ImageRow.key)
    last = 0
    while rows := session.execute(chosen.where(ImageRow.key > last).limit(_ROWS_AT_ONCE)).all():
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
