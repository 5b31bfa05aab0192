"""What models say of images of whose scenes they saw none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NO_SCENE = -1


@dataclass(frozen=True)
class ScenePredictions:
    """N images, each predicted by a model that saw no image of its scene.

    Attributes:
        scene: (N,) the number of the scene; `NO_SCENE` for the user's own test set.
        probabilities: (N, K) calibrated, 0 to 1; rows of NaN for images that no such model could judge.
        named: whether the user has named scenes; else all were found by what images share.
    """

    scene: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float64]
    named: bool

    @property
    def judged(self) -> npt.NDArray[np.bool_]:
        """(N,) true for the images that were predicted."""
        return np.asarray(np.isfinite(self.probabilities).all(axis=1), np.bool_)

    def where(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> ScenePredictions:
        """The rows for which a mask (N,) holds, or those with these numbers, in their order."""
        return ScenePredictions(self.scene[rows], self.probabilities[rows], self.named)

    def among(self, rows: npt.NDArray[np.bool_]) -> ScenePredictions:
        """These N images where a mask (M,) holds, beside others that have no scene."""
        scene = np.full(len(rows), NO_SCENE, np.int32)
        probabilities = np.full((len(rows), self.probabilities.shape[1]), np.nan)
        scene[rows], probabilities[rows] = self.scene, self.probabilities
        return ScenePredictions(scene, probabilities, self.named)
