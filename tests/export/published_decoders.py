"""How published programs decode the grid of a compact detector, in plain loops: two ways that disagree.

From the contract's description alone (section 10.3): the scripts in Custom Vision's zips and
@microsoft/customvision-tfjs apply a sigmoid to tx and ty; the samples of customvision-export-samples take
them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

ANCHORS = [0.57273, 0.677385, 1.87446, 2.06253, 3.33843, 5.47434, 7.88282, 3.52778, 9.77052, 9.16828]
ROUNDED = [0.573, 0.677, 1.87, 2.06, 3.34, 5.47, 7.88, 3.53, 9.77, 9.17]
"""As samples write them."""


class Read(NamedTuple):
    """A box: tag, score, and edges as fractions of the photo."""

    tag: int
    score: float
    left: float
    top: float
    right: float
    bottom: float


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def read_as_the_zips(grid: npt.NDArray[Any], tags: int, least: float, overlap: float) -> list[Read]:
    """As the scripts of the zips do: centres are within their cells."""
    return _read(grid, tags, least, overlap, sigmoid)


def read_as_the_samples(grid: npt.NDArray[Any], tags: int, least: float, overlap: float) -> list[Read]:
    """As the samples do, without the sigmoid."""
    return _read(grid, tags, least, overlap, lambda value: value)


def _read(
    grid: npt.NDArray[Any], tags: int, least: float, overlap: float, inside: Callable[[float], float]
) -> list[Read]:
    _, _, height, width = grid.shape
    found = []
    for row, column, anchor in np.ndindex(height, width, 5):
        numbers = [float(value) for value in grid[0, anchor * (5 + tags) :, row, column][: 5 + tags]]
        tx, ty, tw, th, objectness, *logits = numbers
        x, y = (inside(tx) + column) / width, (inside(ty) + row) / height
        w = math.exp(tw) * ANCHORS[2 * anchor] / width
        h = math.exp(th) * ANCHORS[2 * anchor + 1] / height
        powers = [math.exp(logit) for logit in logits]
        for tag, power in enumerate(powers):
            score = sigmoid(objectness) * power / sum(powers)
            if score >= least:
                found.append(Read(tag, score, x - w / 2, y - h / 2, x + w / 2, y + h / 2))
    kept: list[Read] = []
    for one in sorted(found, key=lambda box: -box.score):
        if all(one.tag != other.tag or shared(one, other) <= overlap for other in kept):
            kept.append(one)
    return kept[:64]


def shared(one: Read, other: Read) -> float:
    """Intersection over union."""
    across = max(0.0, min(one.right, other.right) - max(one.left, other.left))
    down = max(0.0, min(one.bottom, other.bottom) - max(one.top, other.top))
    areas = [(box.right - box.left) * (box.bottom - box.top) for box in (one, other)]
    return across * down / (sum(areas) - across * down)
