"""The photos on which an export is verified, and those that quantisation learns ranges from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import Pixels, load
from dahlia.dataset.manifest import read_photo
from dahlia.dataset.records import ImageRecord
from dahlia.errors import VerificationError
from dahlia.export.port import Batch
from dahlia.modeling.card import ModelCard
from dahlia.modeling.reference import ClassReference, spread, whole_photos

CALIBRATION_PHOTOS = 128
_Item = TypeVar("_Item")


@dataclass(frozen=True)
class VerificationSet:
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


def verification_set(
    reference: ClassReference, card: ModelCard, records: Sequence[ImageRecord], root: Path, count: int
) -> VerificationSet:
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
    return VerificationSet(
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
    chosen = (one_of_each_in_turn(by_tag, lambda record: record.id) or training)[:CALIBRATION_PHOTOS]
    return [load(read_photo(root / record.path, record.id), card.input.size) for record in chosen]


def one_of_each_in_turn(groups: Iterable[Iterable[_Item]], identity: Callable[[_Item], str]) -> list[_Item]:
    """The first item of each group, then the second of each, and so on; each item once.

    Args:
        groups: the items of each tag, say; an item may be in several.
        identity: what tells that two items are the same.
    """
    in_turn = (item for row in zip_longest(*groups) for item in row if item is not None)
    return list({identity(item): item for item in in_turn}.values())
