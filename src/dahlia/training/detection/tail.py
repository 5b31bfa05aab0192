"""The last stages of a backbone, from one kept map to the next: what the advanced recipe lets learn.

What stages before the map of the next to last stride make of a photo is kept, so learning costs no more
than the stages that learn.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import torch
from torch import Tensor, nn

from dahlia.modeling.backbones import Backbone
from dahlia.modeling.detection.taps import Taps

_STAGE = re.compile(r"blocks\.(\d+)")
_PROBE = 64
_TOLERANCE = 1e-4  # relative to the largest value


class Tail(nn.Module):
    """Stages of a network. Their norms keep the statistics that they came with: a few photos have none.

    Args:
        stages: by their numbers in the network.
    """

    def __init__(self, stages: dict[str, nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleDict(stages)

    def train(self, mode: bool = True) -> Tail:
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, seen: Tensor) -> Tensor:
        """The map (N, C, h, w) of one stride to that of the next."""
        for stage in self.stages.values():
            seen = stage(seen)
        return seen


def tail_of(taps: Taps) -> Tail | None:
    """A copy of the stages between the last two maps; None where the network does not have them one by one.

    Args:
        taps: on the CPU; two maps or more.
    """
    network: Any = taps.backbone.network
    ends = [_STAGE.fullmatch(str(network.feature_info[index]["module"])) for index in taps.indices[-2:]]
    if len(ends) < 2 or not all(ends) or not hasattr(network, "blocks"):
        return None
    first, last = (int(end.group(1)) for end in ends if end)
    stages = {str(number): network.blocks[number] for number in range(first + 1, last + 1)}
    tail = Tail(copy.deepcopy(stages)).eval()
    pixels = torch.randint(256, (1, 3, _PROBE, _PROBE), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = taps(pixels.float())
        try:
            found = tail(maps[-2])
        except RuntimeError:  # shapes that do not fit each other
            return None
    limit = _TOLERANCE * max(1.0, float(maps[-1].abs().max()))
    fits = found.shape == maps[-1].shape and bool((found - maps[-1]).abs().max() <= limit)
    return tail if fits else None


def put_tail(backbone: Backbone, weights: dict[str, Tensor]) -> None:
    """Give a backbone the stages that a finder learned, as `Finder.state_dict` has them, if it did."""
    prefix = "tail.stages."
    stages = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    if stages:
        blocks = backbone.network.blocks
        blocks.load_state_dict(blocks.state_dict() | stages)
