"""What a view of a photo shows: which photos meet in a mosaic, and the random numbers of each view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import Pixels
from dahlia.params import ViewParams
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.views import Scene, mosaic, single
from dahlia.training.fine_tuning.tuning_data import PhotoMemory

_PARTNERS = 3


class ViewScenes:
    """Scenes by the number of the view and of the photo; view 0 is the plain one.

    Args:
        data: N photos; a mosaic has photos of one fold only.
        photos: where decoded ones are.
        root: the project folder.
        size: input edge in pixels.
        params: how photos may be looked at.
        seed: of the views.
    """

    def __init__(
        self, data: DetectionData, photos: PhotoMemory, root: Path, size: int, params: ViewParams, seed: int
    ) -> None:
        self.data, self.photos, self.root = data, photos, root
        self.size, self.params, self.seed = size, params, seed
        self.of_fold = {fold: np.flatnonzero(data.folds == fold) for fold in np.unique(data.folds)}

    def rows(self, number: int) -> list[int]:
        """The photos that have this view: nothing but the plain one is wanted of test photos."""
        chosen: list[int] = np.flatnonzero(self.data.training | (number == 0)).tolist()
        return chosen

    def __call__(self, number: int, is_mosaic: bool, row: int) -> Scene:
        """The scene of a photo in a view.

        Raises:
            DatasetError: a photo changed or vanished after ingest.
        """
        if number == 0:
            record = self.data.records[row]
            pixels = self.photos.get(record.id, self.root / record.path).plain
            return Scene(pixels, self.data.truth[row].tags, self._corners(row, pixels))
        rng = np.random.default_rng((self.seed, number, int(self.data.records[row].id[:12], 16)))
        if not is_mosaic:
            return single(self._photo(row), self.size, self.params, rng)
        partners = rng.choice(self.of_fold[self.data.folds[row]], _PARTNERS)
        rows = rng.permutation([row, *partners.tolist()]).tolist()
        return mosaic([self._photo(each) for each in rows], self.size, self.params, rng)

    def _photo(self, row: int) -> Scene:
        record = self.data.records[row]
        pixels = self.photos.get(record.id, self.root / record.path).reduced
        return Scene(pixels, self.data.truth[row].tags, self._corners(row, pixels))

    def _corners(self, row: int, pixels: Pixels) -> npt.NDArray[np.float32]:
        places = self.data.truth[row].places
        height, width = pixels.shape[:2]
        corners = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], 1)
        return (corners * np.array([width, height, width, height], np.float32)).astype(np.float32)
