"""A class-activation map as its readers want it: a picture, or numbers."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import SERVED_PIXELS, Pixels, decode_then

MAX_EDGE = 1024  # pixels

_FIRST_COLOUR = 96  # of the 256 of the scale: those before are as dark as shadows of the photo
_OPAQUE = 0.8  # at the hottest point: the photo's outlines stay visible
_NOTHING = 1e-9  # logits
_FAST = 2  # PNG's effort, 0 to 9


def as_numbers(heat: npt.NDArray[np.float32]) -> list[list[float]]:
    """The map itself, in rows from top to bottom.

    Args:
        heat: (h, w), in logits; see `dahlia.serving.explanation.activation`.

    Returns:
        h lists of w numbers with six digits. Their mean is what the photo adds to the tag's logit; a cell
        that is above the mean speaks more for the tag than the photo does as a whole.
    """
    return [[float(f"{value:.6g}") for value in row] for row in heat]


def as_png(heat: npt.NDArray[np.float32], image: bytes) -> bytes:
    """The map over its photo, which is made grey so that all colour is heat.

    What speaks for the tag glows, from dark violet to yellow; yellow is as strong as anything in the map, for
    or against the tag. What speaks against it stays grey.

    Args:
        heat: (h, w), in logits.
        image: the file of the photo.

    Returns:
        A PNG file in the photo's proportions, as displayed, its longer edge at most `MAX_EDGE` pixels.

    Raises:
        ImageError: the photo cannot be decoded.
    """
    photo = decode_then(image, _shrink, MAX_EDGE, max_decoded=SERVED_PIXELS)
    height, width = photo.shape[:2]
    # Clipped before it is smoothed: a cubic curve swings above zero beside what lies far below.
    smooth = cv2.resize(np.maximum(heat, 0), (width, height), interpolation=cv2.INTER_CUBIC)
    strongest = max(float(np.max(smooth)), -float(heat.min()), _NOTHING)
    share = np.maximum(np.asarray(smooth, np.float32) / strongest, 0)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2BGR)
    levels = (_FIRST_COLOUR + share * (255 - _FIRST_COLOUR)).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    painted = cv2.blendLinear(colours, grey, _OPAQUE * share, 1 - _OPAQUE * share)
    return bytes(cv2.imencode(".png", painted, [cv2.IMWRITE_PNG_COMPRESSION, _FAST])[1])


def _shrink(photo: Pixels) -> Pixels:
    height, width = photo.shape[:2]
    scale = MAX_EDGE / max(height, width)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)
