"""The photos on which an artefact is proven, and those that quantisation learns ranges from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import Pixels, load
from dahlia.dataset.photos import read_photo
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.port import Batch
from dahlia.modeling.card import ModelCard
from dahlia.modeling.reference import ClassReference, spread, whole_photos

CALIBRATION_PHOTOS = 128


@dataclass(frozen=True)
class Album:
    """N photos, and what the trained model says of them.

    Attributes:
        paths: of the files, relative to the project folder.
        pixels: (N, 3, size, size) float32 RGB, 0 to 255.
        expected: (N, K) probabilities of the trained model.
        truth: (N, K) whether a photo has a tag.
        held_out: (N,) whether a photo is of the user's own test set, which training never saw.
    """

    paths: tuple[str, ...]
    pixels: Batch
    expected: Batch
    truth: npt.NDArray[np.bool_]
    held_out: npt.NDArray[np.bool_]


def gather_album(
    reference: ClassReference, card: ModelCard, records: Sequence[ImageRecord], root: Path, count: int
) -> Album:
    """Read photos that the trained model was asked about.

    Args:
        reference: of the bundle.
        card: of the bundle.
        records: the manifest; photos that it names no more are left out.
        root: the project folder.
        count: the most photos; those of the test set come first, the others are spread evenly over all.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
        VerificationError: none of the photos is left.
    """
    by_id = {record.id: record for record in records}
    known = [name for name in reference.ids if name in by_id]
    if not known:
        raise VerificationError(
            "An export is proven on photos that the trained model was asked about, and the manifest has none "
            f"of its {len(reference.ids)}. Run `dvc repro` to train on the photos that are there."
        )
    held_out = [name for name in known if by_id[name].subset == "test"]
    picked = spread(held_out, count)
    picked += spread([name for name in known if by_id[name].subset != "test"], count - len(picked))
    chosen = [by_id[name] for name in picked]
    rows = [reference.ids.index(name) for name in picked]
    tags = [tag.name for tag in card.tags]
    return Album(
        paths=tuple(record.path for record in chosen),
        pixels=whole_photos(chosen, root, card.input.size),
        expected=reference.probabilities[rows],
        truth=np.array([[tag in record.tags for tag in tags] for record in chosen], bool),
        held_out=np.array([record.subset == "test" for record in chosen], bool),
    )


def calibration_photos(card: ModelCard, records: Sequence[ImageRecord], root: Path) -> list[Pixels]:
    """At most `CALIBRATION_PHOTOS` training photos, (size, size, 3) RGB each, as many of each tag as can be.

    Raises:
        DatasetError: a photo vanished or changed after ingest.
    """
    training = [record for record in records if record.subset != "test"]
    by_tag = ([record for record in training if tag.name in record.tags] for tag in card.tags)
    in_turn = [record for row in zip_longest(*by_tag) for record in row if record is not None]
    chosen = list({record.id: record for record in in_turn or training}.values())[:CALIBRATION_PHOTOS]
    return [load(read_photo(root / record.path, record.id), card.input.size) for record in chosen]
