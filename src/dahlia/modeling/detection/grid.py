"""The YOLOv2 grid, as Custom Vision's compact detectors answer with it: its layout, and reading it.

Of each of H x W cells there are five places, and of each place 5 + K numbers: tx, ty, tw, th, objectness,
and K class logits. Redmon and Farhadi, YOLO9000: Better, Faster, Stronger, 2016, section 2:

    centre x = (sigmoid(tx) + column) / W        width  = exp(tw) * anchor width / W
    centre y = (sigmoid(ty) + row) / H           height = exp(th) * anchor height / H
    score of tag k = sigmoid(objectness) * softmax(class logits)[k]

Channels are ordered by places: those of the first, then those of the second, and so on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float32]

ANCHORS = (
    (0.57273, 0.677385),
    (1.87446, 2.06253),
    (3.33843, 5.47434),
    (7.88282, 3.52778),
    (9.77052, 9.16828),
)
"""Width and height of the places of a cell, in cells; those of Custom Vision."""

PLACE = 5  # numbers before the class logits
INSIDE = 1e-6  # of a cell, and of 1: what the inverse of the sigmoid stays away from
NOTHING = 1e-9  # of a score, whose logarithm must be finite


def read_grid(grid: Values, least: float) -> tuple[Values, Values]:
    """What the places of a grid say that may reach a score.

    Args:
        grid: (5 * (5 + K), H, W).
        least: places whose objectness is lower are left out, as are those that are no number.

    Returns:
        Places (M, 4) left, top, width, height as fractions of the photo, and scores (M, K).
    """
    count = len(ANCHORS)
    channels, height, width = grid.shape
    cells = grid.reshape(count, channels // count, height, width)
    with np.errstate(over="ignore"):
        objectness = 1 / (1 + np.exp(-cells[:, 4]))
    anchor, row, column = np.nonzero(objectness >= least)
    chosen = cells[anchor, :, row, column]
    shares = np.exp(chosen[:, PLACE:] - chosen[:, PLACE:].max(1, keepdims=True))
    scores = objectness[anchor, row, column][:, None] * (shares / shares.sum(1, keepdims=True))
    centres = 1 / (1 + np.exp(-chosen[:, :2])) + np.stack([column, row], 1)
    edges = np.exp(chosen[:, 2:4]) * np.array(ANCHORS)[anchor]
    cells_across = np.array([width, height])
    places = np.concatenate([(centres - edges / 2) / cells_across, edges / cells_across], 1)
    return places.astype(np.float32), scores.astype(np.float32)
