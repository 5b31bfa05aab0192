"""What was taken for what, which images went most wrong, and whose tags are likely wrong."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.calibration import tag_losses
from dahlia.evaluation.figures import Confusion, LabelIssue, Mistake
from dahlia.evaluation.judges import JUDGES
from dahlia.evaluation.metrics import right
from dahlia.modeling.predictions import ClassPredictions


def confusion(predictions: ClassPredictions, threshold: float) -> Confusion:
    """Counts of images; see `dahlia.evaluation.figures.Confusion` for their layout."""
    table = JUDGES[predictions.kind].confusion(predictions, threshold)
    return Confusion(counts=tuple(tuple(int(count) for count in row) for row in table))


def worst(
    predictions: ClassPredictions, threshold: float, most: int, paths: Mapping[str, str]
) -> tuple[Mistake, ...]:
    """The images with the highest loss, confident and wrong first; ties in the order of ids.

    Only images that were judged wrong, or (multiclass) right with a probability below the threshold.

    Args:
        predictions: N images.
        threshold: a prediction counts when its probability reaches it.
        most: at most so many.
        paths: image id to path.
    """
    judge, tags = JUDGES[predictions.kind], np.array(predictions.tags)
    losses = tag_losses(predictions.truth, predictions.probabilities)
    total = judge.losses(predictions, losses)
    shown = ~right(predictions, threshold) | judge.unsure(predictions, threshold)
    rows = sorted(np.flatnonzero(shown), key=lambda row: (-total[row], predictions.ids[row]))[:most]

    def mistake(row: int) -> Mistake:
        chances, truth = predictions.probabilities[row], predictions.truth[row]
        tag, predicted = judge.mistaken(chances, truth, losses[row], threshold)
        return Mistake(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            truth=tuple(tags[truth].tolist()),
            predicted=tuple(tags[predicted].tolist()),
            tag=predictions.tags[tag],
            probability=float(chances[tag]),
            true_probability=judge.true_probability(chances, truth, tag),
            loss=float(total[row]),
        )

    return tuple(mistake(int(row)) for row in rows)


def find_label_issues(predictions: ClassPredictions, paths: Mapping[str, str]) -> tuple[LabelIssue, ...]:
    """The images whose tags are likely wrong, most likely first.

    A tag that fewer than `dahlia.evaluation.judges.FEWEST_PER_STATE` images have (or, multilabel, lack) is
    left out: nothing can be learned of it.

    Args:
        predictions: N held-out images.
        paths: image id to path.
    """
    found = JUDGES[predictions.kind].label_issues(predictions)
    return tuple(
        LabelIssue(
            image=predictions.ids[row],
            path=paths.get(predictions.ids[row]),
            given=_names(predictions, predictions.truth[row]),
            suggested=_names(predictions, suggested),
            score=score,
        )
        for score, row, suggested in sorted(found, key=lambda issue: issue[:2])
    )


def _names(predictions: ClassPredictions, chosen: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(tag for tag, keep in zip(predictions.tags, chosen, strict=True) if keep)
