"""What was taken for what, and which images went most wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.calibration import tag_losses
from dahlia.evaluation.figures import Confusion, Mistake
from dahlia.evaluation.metrics import counted, right, true_columns
from dahlia.modeling.predictions import Predictions


def confusion(predictions: Predictions, threshold: float) -> Confusion:
    """Counts of images; see `dahlia.evaluation.figures.Confusion` for their layout."""
    if predictions.classification == "multiclass":
        size = len(predictions.tags)
        pairs = true_columns(predictions) * size + predictions.probabilities.argmax(axis=1)
        table = np.bincount(pairs, minlength=size * size).reshape(size, size)
    else:
        truth, chosen = predictions.truth, counted(predictions, threshold)
        cells = [~truth & ~chosen, ~truth & chosen, truth & ~chosen, truth & chosen]
        table = np.stack([cell.sum(axis=0) for cell in cells], axis=1)
    return Confusion(counts=tuple(tuple(int(count) for count in row) for row in table))


def worst(
    predictions: Predictions, threshold: float, most: int, paths: Mapping[str, str]
) -> tuple[Mistake, ...]:
    """The images with the highest loss, confident and wrong first; ties in the order of ids.

    Only images that were judged wrong, or (multiclass) right with a probability below the threshold.

    Args:
        predictions: N images.
        threshold: a prediction counts when its probability reaches it.
        most: at most so many.
        paths: image id to path.
    """
    losses = tag_losses(predictions.truth, predictions.probabilities)
    multiclass = predictions.classification == "multiclass"
    true = true_columns(predictions)
    total = losses[np.arange(len(true)), true] if multiclass else losses.sum(axis=1)
    wrong = ~right(predictions, threshold)
    if multiclass:
        wrong |= ~(counted(predictions, threshold) & predictions.truth).any(axis=1)
    rows = sorted(np.flatnonzero(wrong), key=lambda row: (-total[row], predictions.ids[row]))[:most]
    describe = _of_one_tag if multiclass else _of_many_tags
    return tuple(describe(predictions, int(row), threshold, losses, float(total[row]), paths) for row in rows)


def _of_one_tag(
    predictions: Predictions,
    row: int,
    threshold: float,
    losses: npt.NDArray[np.float64],
    loss: float,
    paths: Mapping[str, str],
) -> Mistake:
    chances = predictions.probabilities[row]
    truth, top = predictions.truth[row], int(chances.argmax())
    return Mistake(
        image=predictions.ids[row],
        path=paths.get(predictions.ids[row]),
        truth=tuple(np.array(predictions.tags)[truth].tolist()),
        predicted=(predictions.tags[top],),
        tag=predictions.tags[top],
        probability=float(chances[top]),
        true_probability=float(chances[truth].max()),
        loss=loss,
    )


def _of_many_tags(
    predictions: Predictions,
    row: int,
    threshold: float,
    losses: npt.NDArray[np.float64],
    loss: float,
    paths: Mapping[str, str],
) -> Mistake:
    chances, truth = predictions.probabilities[row], predictions.truth[row]
    off = np.where((chances >= threshold) != truth, losses[row], -1.0)
    worst_tag = int(off.argmax())
    chance = float(chances[worst_tag])
    return Mistake(
        image=predictions.ids[row],
        path=paths.get(predictions.ids[row]),
        truth=tuple(np.array(predictions.tags)[truth].tolist()),
        predicted=tuple(np.array(predictions.tags)[chances >= threshold].tolist()),
        tag=predictions.tags[worst_tag],
        probability=chance,
        true_probability=chance if truth[worst_tag] else 1 - chance,
        loss=loss,
    )
