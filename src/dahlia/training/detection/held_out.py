"""What training hands to evaluation: boxes of every photo by a model that did not see it, calibrated."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from dahlia.boxes import within
from dahlia.dataset.manifest import TEST_FOLD
from dahlia.modeling.box_predictions import BoxPredictions
from dahlia.modeling.scaling import Scaling
from dahlia.params import DetectorParams
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.judging import UNSCALED, Answer, FoundBoxes, fit_scaling, found_in


def predict(
    data: DetectionData, answers: Mapping[int, Answer], detector: DetectorParams
) -> tuple[BoxPredictions, Scaling]:
    """Boxes of every photo by a model that did not see it, and the calibration of the final model.

    The scores of held-out photos are calibrated on those of the other parts.
    """
    rows = range(len(data.records))
    raw = [found_in(answers[row], UNSCALED, detector) for row in rows]

    def scaling_of(kept: npt.NDArray[np.bool_]) -> Scaling:
        chosen = np.flatnonzero(kept).tolist()
        return fit_scaling([raw[row] for row in chosen], [data.truth[row] for row in chosen])

    final = scaling_of(data.training)
    by_part = {
        part: final if part == TEST_FOLD else scaling_of(data.training & (data.folds != part))
        for part in np.unique(data.folds).tolist()
    }
    found: list[FoundBoxes] = [
        found_in(answers[row], by_part[int(data.folds[row])], detector) for row in rows
    ]
    predictions = BoxPredictions(
        ids=tuple(record.id for record in data.records),
        tags=data.tags,
        fold=data.folds.astype(np.int32),
        truth=data.truth,
        found=tuple(within(one.boxes) for one in found),
        uncalibrated=tuple(one.uncalibrated for one in found),
    )
    return predictions, final
