"""What held-out predictions say of an iteration's images, where nothing else does, by the kind of model."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dahlia.kinds import Kind
from dahlia.modeling.box_predictions import load_box_predictions
from dahlia.modeling.predictions import load_truth
from dahlia.server.rescue.records import ImageEntry, RegionEntry

_REGIONS = uuid.UUID("7b0c6a0e-6f0d-4d0b-9f4c-6d1c1b9f5a52")  # no file says their ids; these stay the same


@dataclass(frozen=True)
class Truth:
    """What was true of an image: names of tags, and regions whose `tag` is a name too."""

    tags: tuple[str, ...]
    regions: tuple[RegionEntry, ...] = ()

    def entry(self, sha256: str, ids: Mapping[str, str]) -> ImageEntry:
        """With the ids of the tags."""
        regions = tuple(
            RegionEntry(one.id, ids[one.tag], one.left, one.top, one.width, one.height)
            for one in self.regions
        )
        return ImageEntry(None, sha256, tags=tuple(ids[name] for name in self.tags), regions=regions)


def _tags(path: Path) -> dict[str, Truth]:
    return {image: Truth(names) for image, names in load_truth(path).items()}


def _boxes(path: Path) -> dict[str, Truth]:
    found = load_box_predictions(path)
    truth = {}
    for image, boxes in zip(found.ids, found.truth, strict=True):
        names = [found.tags[column] for column in boxes.tags.tolist()]
        places = boxes.places.astype(float).tolist()
        regions = (
            RegionEntry(str(uuid.uuid5(_REGIONS, f"{image} {name} {place}")), name, *place)
            for name, place in zip(names, places, strict=True)
        )
        truth[image] = Truth(tuple(dict.fromkeys(names)), tuple(regions))
    return truth


TRUTH: dict[Kind, Callable[[Path], dict[str, Truth]]] = {
    "multiclass": _tags,
    "multilabel": _tags,
    "detection": _boxes,
}
"""Reads it by the SHA-256 of the images. `DatasetError`: the file is missing or damaged."""
