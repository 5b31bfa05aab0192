"""What an iteration's files say about its project, so that a lost database can be rebuilt from the storage.

`iteration.json` names project, tags and iteration; `images.parquet` every image that the project had then.
They are written with the other files of a training, `iteration.json` last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from dahlia.dataset.manifest import opened_table
from dahlia.errors import DatasetError
from dahlia.files import staged_file
from dahlia.server.contract.enums import Classifier, TagType, TrainingType

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


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ProjectPart(_Part):
    """The project; addresses that may hold credentials are not written."""

    id: str
    name: str
    description: str
    pipeline_name: str
    domain_id: str
    classification: Classifier | None
    export_platforms: tuple[str, ...]
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
    """The iteration; see `dahlia.server.database.work_tables.IterationRow`."""

    id: str
    number: int
    name: str
    created: datetime
    domain_id: str
    classification: Classifier | None
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
