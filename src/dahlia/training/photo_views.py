"""Photos as a backbone sees them.

Views are fixed ways of looking at a photo, whose features a head is fitted on beside the plain one. A view is
deterministic, so its features can be kept; predictions always use `plain` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dahlia.dataset.imaging import OVERSAMPLING, Pixels, decode_then, squash
from dahlia.dataset.manifest import read_photo
from dahlia.errors import DatasetError
from dahlia.training.feature_cache import Key

Item = tuple[list[Key], Tensor] | DatasetError
Image = npt.NDArray[np.uint8]
_MARGIN = 0.1


class PhotoViews(Dataset[Item]):
    """Photos, each in the views that are asked for: V keys and a (V, 3, size, size) uint8 tensor.

    A photo is decoded once for all of its views. For one that changed or vanished the item is the error
    itself: raised in a loader's process, it would arrive as the text of a traceback.
    """

    def __init__(self, keys: Sequence[Key], paths: Mapping[str, Path], size: int) -> None:
        self.views: dict[str, list[str]] = {}
        for image_id, view in keys:
            self.views.setdefault(image_id, []).append(view)
        self.ids = list(self.views)
        self.paths = paths
        self.size = size

    def __len__(self) -> int:
        """The number of photos."""
        return len(self.ids)

    @property
    def most_views(self) -> int:
        """The largest number of views that are asked for of one photo."""
        return max(map(len, self.views.values()))

    def __getitem__(self, index: int) -> Item:
        """Decode a photo by the one decoder and look at it in its views."""
        image_id = self.ids[index]
        try:
            data = read_photo(self.paths[image_id], image_id)
        except DatasetError as error:
            return error
        views = self.views[image_id]

        def look(image: Pixels) -> Pixels:
            return np.stack([squash(VIEWS[view](image), self.size) for view in views])

        pixels = decode_then(data, look, OVERSAMPLING * self.size).transpose(0, 3, 1, 2)
        return [(image_id, view) for view in views], torch.from_numpy(np.ascontiguousarray(pixels))


def _plain(image: Image) -> Image:
    return image


def _mirror(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


def _zoom(image: Image) -> Image:
    height, width = image.shape[:2]
    top, left = round(height * _MARGIN), round(width * _MARGIN)
    return np.ascontiguousarray(image[top : height - top, left : width - left])


def _zoom_mirror(image: Image) -> Image:
    return _mirror(_zoom(image))


def _dim(image: Image) -> Image:
    return cv2.LUT(image, (np.arange(256) * 0.6).astype(np.uint8)).astype(np.uint8)


def _tilt(image: Image) -> Image:
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 10, 1.15)
    turned = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(turned, np.uint8)


VIEWS: dict[str, Callable[[Image], Image]] = {
    "plain": _plain,
    "mirror": _mirror,
    "zoom": _zoom,
    "zoom_mirror": _zoom_mirror,
    "dim": _dim,
    "tilt": _tilt,
}
