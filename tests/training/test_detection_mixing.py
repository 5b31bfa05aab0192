"""Maps of two photos in one, and the boxes that each side still shows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dahlia.training.detection.mixing import mixed
from dahlia.training.detection.views import Found

SIZE = 192


def batch() -> tuple[list[torch.Tensor], list[Found]]:
    """Two photos, whose maps are their number, with a box in the middle and one in two corners each."""
    maps = [torch.arange(2.0).view(2, 1, 1, 1).expand(2, 3, edge, edge).contiguous() for edge in (12, 6)]
    corners = np.array([[64, 64, 128, 128], [0, 0, 20, 20], [172, 172, 192, 192]], np.float32)
    return maps, [(np.array([2 * number, 1, 5], np.int32), corners) for number in range(2)]


@pytest.mark.parametrize("seed", range(8))
def test_each_side_has_the_boxes_of_its_photo(seed: int) -> None:
    maps, scenes = batch()
    joined, found = mixed(maps, scenes, SIZE, np.random.default_rng(seed))
    for fine, coarse in zip(joined[0][:, 0], joined[1][:, 0], strict=True):
        torch.testing.assert_close(fine, coarse.repeat_interleave(2, 0).repeat_interleave(2, 1))
    for number, (tags, corners) in enumerate(found):
        assert {1, 5} <= set(tags.tolist()), "a corner lies on one side"
        for tag, (left, top, right, bottom) in zip(tags.tolist(), corners.tolist(), strict=True):
            part = joined[1][
                number, 0, int(top) // 32 : -(-int(bottom) // 32), int(left) // 32 : -(-int(right) // 32)
            ]
            if tag in (0, 2):
                assert (part == tag / 2).all(), "a box reaches over the line"
    assert joined[0].is_contiguous(memory_format=torch.channels_last)


def test_maps_too_small_for_a_line_and_single_photos_stay() -> None:
    maps, scenes = batch()
    small = [torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 2, 2)]
    assert mixed(small, scenes, 64, np.random.default_rng(0))[0][1] is small[1]
    assert mixed([seen[:1] for seen in maps], scenes[:1], SIZE, np.random.default_rng(0))[1] == scenes[:1]
