"""What a trained detector itself says of some photos: the measure of every export.

The module says it once, when it is trained, and it travels in the bundle; see `dahlia.modeling.reference`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from dahlia.boxes import Boxes
from dahlia.dataset.manifest import read_table
from dahlia.dataset.proof_photos import ProofPhoto, proof_photo, save_photos
from dahlia.dataset.records import ImageRecord
from dahlia.errors import DatasetError
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.outputs import candidates, given
from dahlia.modeling.reference import FILE_NAME, MOST_IMAGES, spread, whole_photos

if TYPE_CHECKING:
    from dahlia.modeling.detection.detector import Detector

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("tags", pa.list_(pa.int32()), nullable=False),
        pa.field("places", pa.list_(pa.float32()), nullable=False),
        pa.field("scores", pa.list_(pa.float32()), nullable=False),
        pa.field("candidate_tags", pa.list_(pa.int32()), nullable=False),
        pa.field("candidate_places", pa.list_(pa.float32()), nullable=False),
        pa.field("candidate_scores", pa.list_(pa.float32()), nullable=False),
    ]
)
_BATCH = 4
_MOST_KEPT = 64  # of the photos, which are large
_SHARE = 0.5  # of the lowest score that is given


@dataclass(frozen=True)
class BoxReference:
    """The answers of a trained detector.

    Attributes:
        ids: N image ids.
        found: of each, the boxes after suppression, the highest score first.
        candidates: of each, the boxes before it, down to half of the lowest score that is given. Where two
            candidates are about as good, another way of computing them may keep the other.
        photos: some of the photos themselves; only where they were just asked about.
    """

    ids: tuple[str, ...]
    found: tuple[Boxes, ...]
    candidates: tuple[Boxes, ...]
    photos: tuple[ProofPhoto, ...] = ()


def ask_detector(
    model: Detector, card: ModelCard, records: Sequence[ImageRecord], root: Path
) -> BoxReference:
    """Run the detector on at most `MOST_IMAGES` of the photos.

    Those of the user's own test set come first; the others are spread evenly over all.

    Args:
        model: on the CPU, in evaluation mode.
        card: of a detector; says how boxes are suppressed.
        records: the photos.
        root: the project folder.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    import torch

    assert card.detector is not None, "the card of a detector has `detector`"
    how = card.detector
    by_id = {record.id: record for record in records}
    held_out = [record.id for record in records if record.subset == "test"]
    others = [record.id for record in records if record.subset != "test"]
    ids = spread(held_out, MOST_IMAGES)
    ids += spread(others, MOST_IMAGES - len(ids))
    found: list[Boxes] = []
    before: list[Boxes] = []
    kept: list[ProofPhoto] = []
    shown = set(spread(ids, _MOST_KEPT))
    with torch.inference_mode():
        for start in range(0, len(ids), _BATCH):
            photos = [by_id[one] for one in ids[start : start + _BATCH]]
            pixels = whole_photos(photos, root, card.input.size)
            kept += [
                proof_photo(np.ascontiguousarray(image.transpose(1, 2, 0).astype(np.uint8)), photo.tags)
                for photo, image in zip(photos, pixels, strict=True)
                if photo.id in shown
            ]
            places, scores = model(torch.from_numpy(pixels))
            for place, score in zip(places.numpy(), scores.numpy(), strict=True):
                found.append(given(place, score, overlap=how.overlap, least=how.least, most=how.most))
                before.append(candidates(place, score, _SHARE * how.least))
    return BoxReference(tuple(ids), tuple(found), tuple(before), tuple(kept))


def save_box_reference(folder: Path, reference: BoxReference) -> None:
    """Write `reference.parquet`, and `photos.zip` where there are photos, into a staged folder."""
    if reference.photos:
        save_photos(folder, reference.photos)
    columns = [pa.array(reference.ids, pa.string())]
    for boxes in (reference.found, reference.candidates):
        columns += [
            _lists([one.tags for one in boxes], "tags"),
            _lists([one.places for one in boxes], "places"),
            _lists([one.scores for one in boxes], "scores"),
        ]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), folder / FILE_NAME, compression="zstd")


def load_box_reference(folder: Path) -> BoxReference:
    """Read `reference.parquet` from a bundle.

    Raises:
        DatasetError: it is missing or damaged.
    """
    path = folder / FILE_NAME
    rows = read_table(path, SCHEMA, "dvc repro train").to_pylist()
    try:
        found = tuple(_boxes(row, "") for row in rows)
        before = tuple(_boxes(row, "candidate_") for row in rows)
    except ValueError as error:
        raise DatasetError(
            f"{path} was expected to hold four numbers for each box ({error}). Run `dvc repro train` to make "
            "it again."
        ) from error
    return BoxReference(tuple(row["id"] for row in rows), found, before)


def _lists(rows: Sequence[npt.NDArray[Any]], name: str) -> pa.Array:
    return pa.array([row.ravel().tolist() for row in rows], SCHEMA.field(name).type)


def _boxes(row: Mapping[str, Any], which: str) -> Boxes:
    return Boxes(
        np.array(row[f"{which}tags"], np.int32),
        np.array(row[f"{which}places"], np.float32).reshape(-1, 4),
        np.array(row[f"{which}scores"], np.float32),
    )
