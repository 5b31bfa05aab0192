"""What was predicted for each image, beside what is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from dahlia.modeling.predictions import ClassPredictions


@dataclass(frozen=True)
class ImageScore:
    """An image's tags and predictions.

    Attributes:
        image: its id (see `ImageRecord.id`).
        tags: that it has, in the order of the predictions' columns.
        probabilities: tag and probability, the most probable first; equal ones in the columns' order.
    """

    image: str
    tags: tuple[str, ...]
    probabilities: tuple[tuple[str, float], ...]


class ImageScores(Mapping[str, ImageScore]):
    """By image id, made when asked for: a page needs 256 of 100,000.

    An image of the user's own test set is there too: the final model, which predicted it, never saw it.
    """

    def __init__(self, predictions: ClassPredictions) -> None:
        self._predictions = predictions
        self._rows = {image: row for row, image in enumerate(predictions.ids)}

    def __getitem__(self, image: str) -> ImageScore:
        row = self._rows[image]
        found = self._predictions
        values = found.probabilities[row]
        return ImageScore(
            image,
            tuple(found.tags[column] for column in np.flatnonzero(found.truth[row])),
            tuple(
                (found.tags[column], float(values[column])) for column in np.argsort(-values, kind="stable")
            ),
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def image_scores(predictions: ClassPredictions) -> ImageScores:
    """The predictions of every image of an iteration."""
    return ImageScores(predictions)
