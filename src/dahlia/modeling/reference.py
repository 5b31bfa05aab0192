"""What the trained module itself says of some photos: the measure of every export.

The module computes it once, when it is trained, and it travels in the bundle. So an export is compared
with the trained model without building that model again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.dataset.manifest import read_table
from dahlia.dataset.photos import read_photo
from dahlia.dataset.records import ImageRecord

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier

FILE_NAME = "reference.parquet"
MOST_IMAGES = 64
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
    ]
)
_BATCH = 16


@dataclass(frozen=True)
class Reference:
    """The trained module's answers.

    Attributes:
        ids: N image ids.
        probabilities: (N, K) float32.
    """

    ids: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]

    def first(self, count: int) -> Reference:
        """At most `count` of the images, spread evenly over all."""
        if len(self.ids) <= count:
            return self
        picks = np.linspace(0, len(self.ids) - 1, count).round().astype(int)
        return Reference(tuple(self.ids[pick] for pick in picks), self.probabilities[picks])


def ask_module(model: Classifier, records: Sequence[ImageRecord], root: Path, size: int) -> Reference:
    """Run the module on at most `MOST_IMAGES` of the photos, spread evenly over all.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    import torch

    all_ids = Reference(tuple(record.id for record in records), np.zeros((len(records), 0), np.float32))
    chosen = set(all_ids.first(MOST_IMAGES).ids)
    picked = [record for record in records if record.id in chosen]
    answers = []
    with torch.inference_mode():
        for start in range(0, len(picked), _BATCH):
            batch = picked[start : start + _BATCH]
            photos = [load(read_photo(root / record.path, record.id), size) for record in batch]
            answers.append(model(torch.from_numpy(to_tensor_layout(photos))).numpy())
    return Reference(tuple(record.id for record in picked), np.concatenate(answers))


def save_reference(folder: Path, reference: Reference) -> None:
    """Write `reference.parquet` into a folder that is being staged."""
    columns = [
        pa.array(reference.ids, pa.string()),
        pa.array(reference.probabilities.tolist(), SCHEMA.field("probabilities").type),
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), folder / FILE_NAME)


def load_reference(folder: Path) -> Reference:
    """Read `reference.parquet` from a bundle.

    Raises:
        DatasetError: it is missing or damaged.
    """
    columns = read_table(folder / FILE_NAME, SCHEMA, "dvc repro train").to_pydict()
    return Reference(tuple(columns["id"]), np.array(columns["probabilities"], np.float32))
