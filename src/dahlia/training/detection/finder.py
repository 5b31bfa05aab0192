"""The part of a detector that learns from kept maps: neck, head, and what of the backbone may."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dahlia.modeling.detection.decoding import Decoder, Output
from dahlia.modeling.detection.detector import Detector
from dahlia.modeling.detection.head import DetectionHead
from dahlia.modeling.detection.pyramid import Pyramid
from dahlia.training.detection.tail import Tail, put_tail


class Finder(nn.Module):
    """A detector without its backbone; the names of its weights are those of the detector.

    Args:
        channels: of the backbone's maps.
        tags: K.
        size: edge of the photos in pixels.
        strides: of the maps.
        output: see `Detector`.
        width: channels of neck and head.
        seed: of the weights that it starts with.
        tail: the last stages of the backbone, where they learn too; it is copied.
    """

    def __init__(
        self,
        channels: Sequence[int],
        tags: int,
        *,
        size: int,
        strides: Sequence[int],
        output: Output,
        width: int,
        seed: int,
        tail: Tail | None = None,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.neck = Pyramid(channels, width)
            self.head = DetectionHead(width, tags, strides)
        self.tail = copy.deepcopy(tail)
        self.decoder = Decoder(size, strides, output)
        self.to(memory_format=torch.channels_last)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) to logits (N, P, K) and distances (N, P, 4) in pixels."""
        if self.tail is not None:
            maps = [*maps[:-1], self.tail(maps[-2])]
        logits, distances = self.head(self.neck(maps))
        return logits, distances

    def reaching(self, distances: Tensor) -> Tensor:
        """Distances to corners (N, P, 4) in pixels that are not clipped, so that all of them learn."""
        centres = self.decoder.centres
        return torch.cat([centres - distances[..., :2], centres + distances[..., 2:]], -1)


def put_into(model: Detector, weights: dict[str, Tensor]) -> None:
    """Give a detector what a finder learned, as `Finder.state_dict` has it."""
    for part in ("neck", "head"):
        prefix = f"{part}."
        own = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        getattr(model, part).load_state_dict(own)
    put_tail(model.backbone, weights)
