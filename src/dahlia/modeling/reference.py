"""What the trained module itself says of some photos: the measure of every export.

The module computes it once, when it is trained, and it travels in the bundle. So an export is compared
with the trained model without building that model again. Photos are decoded in full, as programs that use an
export do.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.dataset.imaging import Pixels, load, to_tensor_layout
from dahlia.dataset.manifest import read_photo, read_table
from dahlia.dataset.proof_photos import ProofPhoto, proof_photo, save_photos
from dahlia.dataset.records import ImageRecord
from dahlia.processes import usable_cores

if TYPE_CHECKING:
    from dahlia.modeling.classifier import Classifier

FILE_NAME = "reference.parquet"
MOST_IMAGES = 200
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("probabilities", pa.list_(pa.float32()), nullable=False),
    ]
)


@dataclass(frozen=True)
class ClassReference:
    """The answers of a trained module that classifies; others are another class, of another schema.

    Attributes:
        ids: N image ids.
        probabilities: (N, K) float32.
        photos: the photos themselves; only where they were just asked about.
    """

    ids: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    photos: tuple[ProofPhoto, ...] = ()


def ask_module(model: Classifier, records: Sequence[ImageRecord], root: Path, size: int) -> ClassReference:
    """Run the module on at most `MOST_IMAGES` of the photos.

    Those of the user's own test set come first; the others are spread evenly over all.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    import torch

    by_id = {record.id: record for record in records}
    held_out = [record.id for record in records if record.subset == "test"]
    others = [record.id for record in records if record.subset != "test"]
    ids = spread(held_out, MOST_IMAGES)
    ids += spread(others, MOST_IMAGES - len(ids))

    def answer(name: str) -> tuple[npt.NDArray[np.float32], ProofPhoto]:
        pixels = _whole(by_id[name], root, size)
        with torch.inference_mode():
            probabilities = model(torch.from_numpy(to_tensor_layout([pixels]))).numpy()
        return np.asarray(probabilities), proof_photo(pixels, by_id[name].tags)

    # Threads that each compute a whole photo take half of the time that torch's own take for a batch.
    with ThreadPoolExecutor(usable_cores(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        answers = list(pool.map(answer, ids))
    probabilities = np.concatenate([given for given, _ in answers])
    return ClassReference(tuple(ids), probabilities, tuple(photo for _, photo in answers))


def whole_photos(records: Sequence[ImageRecord], root: Path, size: int) -> npt.NDArray[np.float32]:
    """The pixels of photos that are decoded in full: (N, 3, size, size) RGB, 0 to 255.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    with ThreadPoolExecutor(usable_cores()) as pool:
        return to_tensor_layout(list(pool.map(lambda record: _whole(record, root, size), records)))


def _whole(record: ImageRecord, root: Path, size: int) -> Pixels:
    return load(read_photo(root / record.path, record.id), size, scaled=False)


def spread(items: Sequence[str], count: int) -> list[str]:
    """At most `count` of the items, in their order, spread evenly over all."""
    if len(items) <= count:
        return list(items)
    return [items[pick] for pick in np.linspace(0, len(items) - 1, count).round().astype(int)]


def save_reference(folder: Path, reference: ClassReference) -> None:
    """Write `reference.parquet`, and `photos.zip` where there are photos, into a staged folder."""
    columns = [
        pa.array(reference.ids, pa.string()),
        pa.array(reference.probabilities.tolist(), SCHEMA.field("probabilities").type),
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), folder / FILE_NAME)
    if reference.photos:
        save_photos(folder, reference.photos)


def load_reference(folder: Path) -> ClassReference:
    """Read `reference.parquet` from a bundle.

    Raises:
        DatasetError: it is missing or damaged.
    """
    columns = read_table(folder / FILE_NAME, SCHEMA, "dvc repro train").to_pydict()
    return ClassReference(tuple(columns["id"]), np.array(columns["probabilities"], np.float32))
