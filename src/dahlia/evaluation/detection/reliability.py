"""How far the scores of boxes can be believed.

A score says how probable it is that the box is right at the deciding overlap. Detectors find thousands of
boxes that they hardly believe in and that nobody looks at; bins of equal mass would hold little else. So
boxes below `LEAST` are left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dahlia.evaluation.calibration import SMALLEST, reliability
from dahlia.evaluation.detection.matching import BoxTable
from dahlia.evaluation.figures import Calibration, Reliability

LEAST = 0.1
APART = 0.05  # a good detector is about as sure of most boxes; their bins would lie on each other


def box_calibration(
    table: BoxTable, right: npt.NDArray[np.bool_], *, bins: int, confidence: float, share: float
) -> Calibration | None:
    """Reliability of the same boxes before and after calibration; None where no box reaches `LEAST`.

    Args:
        table: the boxes.
        right: (D,) the found boxes that are right.
        bins: at most so many; fewer where the mean scores of two would differ by less than `APART`.
        confidence: of the bins' intervals.
        share: see `dahlia.evaluation.intervals.independent_share`.
    """
    shown = table.score >= LEAST
    if not shown.any():
        return None

    def of(scores: npt.NDArray[np.float64]) -> Reliability:
        given, correct = scores[shown], right[shown]
        likelihood = np.where(correct, given, 1 - given)
        losses = -np.log(np.clip(likelihood, SMALLEST, 1.0))
        means = float(((given - correct) ** 2).mean()), float(losses.mean())
        return reliability(given, correct, means, bins, confidence, share, APART)

    return Calibration(before=of(table.uncalibrated), after=of(table.score))
