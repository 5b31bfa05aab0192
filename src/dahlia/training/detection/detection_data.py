"""What a detector learns from: photos, their true boxes, and their folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.boxes import Boxes
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.dataset.records import ImageRecord
from dahlia.errors import TrainingError

_LEAST_FOLDS = 2


@dataclass(frozen=True)
class DetectionData:
    """N photos and K tags.

    Attributes:
        records: N, sorted by id.
        tags: K names, sorted without regard to case; the order of the model's outputs.
        truth: of each photo its boxes.
        folds: (N,) which part of the photos each is held out with; -1 for the user's own test set.
    """

    records: tuple[ImageRecord, ...]
    tags: tuple[str, ...]
    truth: tuple[Boxes, ...]
    folds: npt.NDArray[np.int32]

    @property
    def training(self) -> npt.NDArray[np.bool_]:
        """(N,) true for the photos that training may see."""
        return np.not_equal(self.folds, TEST_FOLD)


def gather_boxes(records: Sequence[ImageRecord], folds: Mapping[str, int], *, parts: int) -> DetectionData:
    """Put the photos that have a fold into one table.

    Boxes of tags that no training photo has are left out: nothing can be learned of them. Photos without
    boxes stay: they show what is none of the tags.

    Args:
        records: of the manifest.
        folds: of the photos that are used.
        parts: into which folds are joined, at most.

    Raises:
        TrainingError: no training photo has a box, or all photos are in one fold.
    """
    kept = sorted((record for record in records if record.id in folds), key=lambda record: record.id)
    learned = {region.tag for record in kept if folds[record.id] != TEST_FOLD for region in record.regions}
    if not learned:
        raise TrainingError(
            "A detector learns from photos with regions, and no training photo has one. Add regions to the "
            "annotations, or choose a domain of classification with `dahlia params domain=general_compact`."
        )
    tags = tuple(sorted(learned, key=lambda tag: (tag.casefold(), tag)))
    joined = join_folds(np.array([folds[record.id] for record in kept], np.int32), parts)
    found = len(np.unique(joined[joined != TEST_FOLD]))
    if found < _LEAST_FOLDS:
        raise TrainingError(
            f"A detector is judged on photos that it did not learn from: expected photos in at least "
            f"{_LEAST_FOLDS} folds, received {found}. Add photos that are no near-duplicates of each other."
        )
    return DetectionData(
        records=tuple(kept),
        tags=tags,
        truth=tuple(true_boxes(record, tags) for record in kept),
        folds=joined,
    )


def true_boxes(record: ImageRecord, tags: Sequence[str]) -> Boxes:
    """The regions of a photo, without those of other tags."""
    columns = {tag: column for column, tag in enumerate(tags)}
    regions = [region for region in record.regions if region.tag in columns]
    places = [(region.left, region.top, region.width, region.height) for region in regions]
    return Boxes(
        np.array([columns[region.tag] for region in regions], np.int32),
        np.array(places, np.float32).reshape(-1, 4),
        np.ones(len(regions), np.float32),
    )


def join_folds(folds: npt.NDArray[np.int32], parts: int) -> npt.NDArray[np.int32]:
    """The folds (N,) as at most `parts`, about equally large, each a union of them; test photos keep -1.

    The largest are dealt out first, each to the part that has the fewest photos.
    """
    numbers, counts = np.unique(folds[folds != TEST_FOLD], return_counts=True)
    if len(numbers) <= parts:
        return folds.copy()
    sizes = [0] * parts
    joined = folds.copy()
    for place in np.argsort(-counts, kind="stable"):
        part = int(np.argmin(sizes))
        sizes[part] += int(counts[place])
        joined[folds == numbers[place]] = part
    return joined
