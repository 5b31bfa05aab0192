"""Two views in one: the maps of one photo on the one side of a line, of another on the other.

What a convolutional backbone makes of a place depends on little around it, so maps that are cut and put
together are nearly those of a photo that was: new scenes that cost no pass through the backbone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dahlia.training.detection.views import Found, visible

SHARE = 0.5  # of the steps
_LEAST_CELLS = 2  # of the coarsest map, on either side


def mixed(
    maps: Sequence[Tensor], scenes: Sequence[Found], size: int, rng: np.random.Generator
) -> tuple[list[Tensor], list[Found]]:
    """Cut all photos of a batch along one line, and give each the other side of the one before it.

    Args:
        maps: (N, C, h, w), the finest first; h and w of the coarsest divide those of the others.
        scenes: tags (M,) and corners (M, 4) in pixels, of each photo.
        size: edge of the photos in pixels.
        rng: decides the line.

    Returns:
        Maps and boxes; of each box as much as its side shows, if that is enough.
    """
    cells = maps[-1].shape[-1]
    if cells < 2 * _LEAST_CELLS or len(scenes) < 2:
        return list(maps), list(scenes)
    axis = int(rng.integers(2))
    cut = int(rng.integers(_LEAST_CELLS, cells - _LEAST_CELLS + 1))
    others = np.roll(np.arange(len(scenes)), 1)
    joined = []
    for seen in maps:
        line = cut * seen.shape[-1] // cells
        parts = (seen.narrow(3 - axis, 0, line), seen[others].narrow(3 - axis, line, seen.shape[-1] - line))
        joined.append(torch.cat(parts, 3 - axis).contiguous(memory_format=torch.channels_last))
    near = np.array([0, 0, size, size], np.float32)
    far = near.copy()
    near[2 + axis] = far[axis] = cut * size / cells
    return joined, [
        _together(visible(*scenes[row], near), visible(*scenes[other], far))
        for row, other in enumerate(others.tolist())
    ]


def _together(first: Found, second: Found) -> Found:
    tags: npt.NDArray[np.int32] = np.concatenate([first[0], second[0]])
    return tags, np.concatenate([first[1], second[1]])
