"""Feature maps of a backbone, one for each stride that a detector looks at."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dahlia.errors import WeightsError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.detection.map_names import maps_fingerprint

_PROBE = 64  # pixels: the least edge at which a map of stride 32 has more than one position


class Taps(nn.Module):
    """Pixels to one map for each stride: the last that the network makes at that stride.

    Args:
        backbone: whose layers are shared, not copied.
        strides: pixels between neighbouring positions of a map, rising.

    Attributes:
        architecture: timm's name.
        strides: as given.
        indices: of the maps among all that the network describes.
        channels: of each map.
        fingerprint: SHA-256 of the backbone's and the strides.

    Raises:
        WeightsError: the backbone has no map for one of the strides.
    """

    def __init__(self, backbone: Backbone, strides: Sequence[int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.architecture = backbone.architecture
        self.strides = tuple(strides)
        self.indices = _indices(backbone, self.strides)
        with torch.inference_mode():
            maps = self(torch.zeros(1, 3, _PROBE, _PROBE))
        for stride, seen in zip(self.strides, maps, strict=True):
            if seen.shape[2:] != (_PROBE // stride, _PROBE // stride):
                raise _unusable(self.architecture, f"a map of {tuple(seen.shape[2:])} at stride {stride}")
        self.channels = tuple(int(seen.shape[1]) for seen in maps)

    @property
    def fingerprint(self) -> str:
        """Equal ones give equal maps on one machine."""
        return maps_fingerprint(self.backbone.fingerprint, self.strides)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, S, S) float32 RGB, 0 to 255, to (N, C, S / stride, S / stride) for each stride."""
        maps = self.backbone.network.forward_intermediates(
            self.backbone.prepared(pixels),
            indices=self.indices,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return tuple(maps)


def _indices(backbone: Backbone, strides: Sequence[int]) -> list[int]:
    network = backbone.network
    described = getattr(network, "feature_info", None)
    if not hasattr(network, "forward_intermediates") or described is None:
        raise _unusable(backbone.architecture, "none")
    reductions = [int(each["reduction"]) for each in described]
    found = [
        max((number for number, each in enumerate(reductions) if each == stride), default=-1)
        for stride in strides
    ]
    if -1 in found or len(set(found)) != len(found):
        raise _unusable(backbone.architecture, f"maps of strides {sorted(set(reductions))}")
    return found


def _unusable(architecture: str, received: str) -> WeightsError:
    return WeightsError(
        f"A detector needs a backbone with feature maps at each of its strides (`domain.detector.strides`), "
        f"and {architecture} gives {received}. Choose a convolutional network, such as "
        "tf_efficientnet_lite0 or mobilenetv4_conv_small, as `domain.backbone.architecture`, or others."
    )
