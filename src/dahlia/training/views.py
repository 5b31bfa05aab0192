"""Views: fixed ways of looking at a photo, whose features a head is fitted on beside the plain one.

A view is deterministic, so its features can be kept; predictions always use `plain` alone.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
_MARGIN = 0.1


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
