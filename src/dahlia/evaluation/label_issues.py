"""Likely wrong tags, by confident learning on held-out probabilities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.figures import LabelIssue
from dahlia.evaluation.judges import JUDGES
from dahlia.modeling.predictions import ClassPredictions


def find_label_issues(predictions: ClassPredictions, paths: Mapping[str, str]) -> tuple[LabelIssue, ...]:
    """The images whose tags are likely wrong, most likely first.

    A tag that fewer than `FEWEST_PER_STATE` images have (or, multilabel, lack) is left out: nothing can
    be learned of it.

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
