"""The detector: pixels in, boxes with calibrated scores out, before suppression; and its bundle.

The bundle is all that a trained model is: `model.safetensors`, `model.json` and `reference.parquet`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from dahlia.errors import TrainingError
from dahlia.modeling.backbones import Backbone
from dahlia.modeling.bundle_files import backbone_of, load_files, save_files, with_weights
from dahlia.modeling.card import ModelCard
from dahlia.modeling.detection.decoding import Decoder, Output, cell_order
from dahlia.modeling.detection.head import DetectionHead
from dahlia.modeling.detection.pyramid import Pyramid
from dahlia.modeling.detection.reference import BoxReference, save_box_reference
from dahlia.modeling.detection.taps import Taps

_WIDTH_OF = "neck.entries.0.0.weight"
_NETWORK = "taps.backbone.network."


class Detector(nn.Module):
    """Backbone, pyramid, head, decoding and calibration in one graph.

    Args:
        backbone: gives the maps.
        tags: K.
        size: edge of the photos in pixels, a multiple of the coarsest stride.
        strides: of the maps, rising, each twice the one before.
        output: `boxes`, or `grid`, whose centres stay in the cell of the coarsest stride that they come from.
        width: channels of neck and head.

    Attributes:
        size, strides, output, width: as given.
        slope: of the calibration, on the logit of a score.
        shift: likewise, added afterwards.

    Raises:
        WeightsError: the backbone has no map for one of the strides.
        TrainingError: the size is no multiple of the coarsest stride.
    """

    slope: Tensor
    shift: Tensor
    order: Tensor

    def __init__(
        self, backbone: Backbone, tags: int, *, size: int, strides: Sequence[int], output: Output, width: int
    ) -> None:
        super().__init__()
        if size % max(strides):
            raise TrainingError(
                f"A detector with a map of stride {max(strides)} expects photos whose edge is a multiple of "
                f"it, received {size} px. Set `domain.input.size` to "
                f"{max(1, round(size / max(strides))) * max(strides)}."
            )
        self.size, self.strides, self.output, self.width = size, tuple(strides), output, width
        self.taps = Taps(backbone, strides)
        self.neck = Pyramid(self.taps.channels, width)
        self.head = DetectionHead(width, tags, strides)
        self.decoder = Decoder(size, strides, output)
        self.register_buffer("slope", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        self.register_buffer("order", cell_order(size, strides), persistent=False)

    @property
    def backbone(self) -> Backbone:
        """What gives the maps."""
        return self.taps.backbone

    @property
    def architecture(self) -> str:
        """The name of the backbone in timm."""
        return self.backbone.architecture

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """What the photos show, before suppression.

        Args:
            pixels: (N, 3, size, size) float32 RGB, 0 to 255.

        Returns:
            Places (N, P, 4) left, top, width, height as fractions of the photo, and scores (N, P, K), which
            sum to at most 1 over the tags. Of output `boxes`, positions are those of the finest map row by
            row, then those of the next; of output `grid`, the cells of the coarsest map row by row, and in
            each the positions of the finest map row by row, then those of the next.
        """
        return self.found(self.taps(pixels))

    def found(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The same, from the maps (N, C, h, w) of the backbone, the finest first."""
        logits, distances = self.raw(maps)
        corners = self.decoder(distances) / self.size
        places = torch.cat([corners[..., :2], corners[..., 2:] - corners[..., :2]], -1)
        scores = torch.sigmoid(logits * self.slope + self.shift)
        scores = scores / scores.sum(-1, keepdim=True).clamp(min=1.0)
        if self.output == "grid":
            return places.index_select(1, self.order), scores.index_select(1, self.order)
        return places, scores

    def raw(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps (N, C, h, w) of the backbone to logits (N, P, K) and distances (N, P, 4) in pixels."""
        logits, distances = self.head(self.neck(maps))
        return logits, distances


class Finding(nn.Module):
    """A detector without its backbone: maps in, places and scores out.

    Args:
        detector: whose parts are shared, not copied.

    Attributes:
        architecture: the name of the backbone in timm.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.architecture = detector.architecture

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor]:
        """See `Detector.found`."""
        return self.detector.found(maps)


def save_detector(folder: Path, model: Detector, card: ModelCard, reference: BoxReference) -> None:
    """Write the bundle, whole or not at all."""
    save_files(folder, model, card, lambda staged: save_box_reference(staged, reference))


def load_detector(folder: Path) -> tuple[Detector, ModelCard]:
    """Read a bundle; the model is in evaluation mode.

    Raises:
        TrainingError: a file is missing, damaged, or does not fit the other.
    """
    tensors, card = load_files(folder)
    if card.detector is None or _WIDTH_OF not in tensors:
        raise TrainingError(
            f"{folder} was expected to hold a detector, and holds another model. Run `dvc repro train` again."
        )
    model = Detector(
        backbone_of(card, tensors, _NETWORK),
        len(card.tags),
        size=card.input.size,
        strides=card.detector.strides,
        output=card.detector.output,
        width=len(tensors[_WIDTH_OF]),
    )
    return with_weights(model, tensors, card, folder), card
