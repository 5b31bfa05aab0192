"""What a file says of itself, under the names that Custom Vision's published samples read."""

from __future__ import annotations

import onnx
from onnx import helper

from dahlia.modeling.card import ModelCard

PIXEL_FORMAT, RGB, BGR = "Image.BitmapPixelFormat", "Rgb8", "Bgr8"
PIXEL_RANGE, FULL_RANGE = "Image.NominalPixelRange", "NominalRange_0_255"


def describe(proto: onnx.ModelProto, card: ModelCard) -> None:
    """Write into the file how it wants its pixels, and which model it is."""
    proto.producer_name, proto.producer_version = "dahlia", card.dahlia_version
    helper.set_model_props(
        proto,
        {
            PIXEL_FORMAT: BGR if card.channels == "BGR" else RGB,
            PIXEL_RANGE: FULL_RANGE,
            "Image.ColorSpaceGamma": "SRGB",
            "dahlia.tags": "\n".join(tag.name for tag in card.tags),
            "dahlia.domain": card.domain,
            "dahlia.version": card.dahlia_version,
        },
    )
