"""What training learns from: the usable images, their tags and their folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dahlia.dataset.manifest import TEST_FOLD
from dahlia.dataset.records import ImageRecord
from dahlia.dataset.tag_rules import EXPECTED_TAGS, TAG_RULES, too_few_tags
from dahlia.errors import TrainingError
from dahlia.kinds import Kind


@dataclass(frozen=True)
class TrainingData:
    """N images with K tags.

    Attributes:
        records: N images, sorted by id.
        tags: K names, sorted without regard to case; the order of the model's outputs.
        truth: (N, K) bool.
        folds: (N,) the fold of each image; -1 for the user's own test set.
    """

    records: tuple[ImageRecord, ...]
    tags: tuple[str, ...]
    truth: npt.NDArray[np.bool_]
    folds: npt.NDArray[np.int32]

    @property
    def training(self) -> npt.NDArray[np.bool_]:
        """(N,) true for the images that training may see."""
        return np.not_equal(self.folds, TEST_FOLD)

    def where(self, rows: npt.NDArray[np.bool_]) -> tuple[ImageRecord, ...]:
        """The records for which the mask (N,) holds."""
        return tuple(record for record, keep in zip(self.records, rows, strict=True) if keep)


def gather(
    records: Sequence[ImageRecord],
    folds: Mapping[str, int],
    *,
    kind: Kind,
    negative_tag: str | None,
) -> TrainingData:
    """Put the images that have a fold into one table.

    Raises:
        TrainingError: fewer than two tags, or no image to learn from.
    """
    kept = sorted((record for record in records if record.id in folds), key=lambda record: record.id)
    found = {tag for record in kept if folds[record.id] != TEST_FOLD for tag in record.tags}
    if received := too_few_tags(found):
        raise TrainingError(
            f"Training needs {EXPECTED_TAGS}, received {received}. Add images of another tag, or of the "
            "negative one."
        )
    rules = TAG_RULES[kind]
    learned = rules.learned(found, negative_tag)
    tags = tuple(sorted(learned, key=lambda tag: (tag.casefold(), tag)))
    truth = np.array([[tag in record.tags for tag in tags] for record in kept], bool)
    # A test image of a tag that was never learned cannot be right: it says nothing about this model.
    known = truth.any(1) | np.full(len(kept), not rules.exclusive)
    return TrainingData(
        records=tuple(record for record, keep in zip(kept, known, strict=True) if keep),
        tags=tags,
        truth=truth[known],
        folds=np.array([folds[record.id] for record in kept], np.int32)[known],
    )
