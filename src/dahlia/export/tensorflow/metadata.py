"""What a file of LiteRT says of itself: the tables of `metadata_schema.fbs` (`M001`) and the labels.

The schema is that of https://github.com/tensorflow/tflite-support. The tables lie in a buffer of the model
named `TFLITE_METADATA`; the files that they name are appended to the model as a zip, uncompressed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import flatbuffers

from dahlia.export.conventions import LABELS, OUTPUTS
from dahlia.export.tensorflow.graph import INPUT
from dahlia.modeling.card import ModelCard

IDENTIFIER = b"M001"
ANSWER = "probability"
# Numbers of the schema.
_TENSOR_AXIS_LABELS = 2
_FEATURE, _IMAGE = 1, 2
_NORMALISATION = 1
_RGB, _UNKNOWN_COLOURS = 1, 0


def describe(card: ModelCard) -> bytes:
    """The tables: the model, its image, and its probabilities with `labels.txt` as the names of the axis.

    The schema knows red, green, blue and grey alone. A model that takes blue, green, red is said to be of
    unknown colours, and the text says which: readers that feed red first should not believe they fit.
    """
    builder = flatbuffers.Builder(1024)
    graph = _table(
        builder,
        7,
        {
            2: _vector(builder, [_image(builder, card)]),
            3: _vector(builder, [_answer(builder, card)]),
        },
    )
    texts = {
        0: card.project,
        1: f"Says which of {len(card.tags)} tags fit a photo. Domain {card.domain}.",
        2: card.data_fingerprint[:16],
        4: f"The owner of the project {card.project}, with Dahlia {card.dahlia_version}",
        5: _licence(card),
        7: "1.0.0",
    }
    strings = {slot: builder.CreateString(text) for slot, text in texts.items()}
    builder.Finish(_table(builder, 8, strings | {3: _vector(builder, [graph])}), IDENTIFIER)
    return bytes(builder.Output())


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """Append `labels.txt` as readers of the metadata expect it; the same labels give the same bytes."""
    entry = zipfile.ZipInfo(LABELS)
    entry.external_attr = 0o644 << 16
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(entry, "\n".join(labels).encode())
    return file.getvalue()


def _licence(card: ModelCard) -> str:
    start = card.backbone.source or f"{card.backbone.weights} {card.backbone.architecture}"
    return f"The model is its owner's. It started from the weights `{start}`, whose licence counts too."


def _image(builder: Any, card: ModelCard) -> int:
    size, order = card.input.size, card.channels
    edges = _table(builder, 2, {}, whole={0: size, 1: size})
    image = _table(builder, 2, {1: edges}, small={0: _RGB if order == "RGB" else _UNKNOWN_COLOURS})
    normalise = _table(builder, 2, {0: _floats(builder, [0]), 1: _floats(builder, [1])})
    unit = _table(builder, 2, {1: normalise}, small={0: _NORMALISATION})
    colours = "red, green, blue" if order == "RGB" else "blue, green, red"
    fields = {
        0: builder.CreateString(INPUT),
        1: builder.CreateString(
            f"A photo, resized to {size} x {size} pixels, each as {colours} from 0 to 255. Scaling is inside."
        ),
        3: _table(builder, 3, {1: image}, small={0: _IMAGE}),
        4: _vector(builder, [unit]),
        5: _table(builder, 2, {0: _floats(builder, [255]), 1: _floats(builder, [0])}),
    }
    return _table(builder, 7, fields)


def _answer(builder: Any, card: ModelCard) -> int:
    file = {0: builder.CreateString(LABELS), 1: builder.CreateString("The tags, in the order of the axis.")}
    labels = _table(builder, 4, file, small={2: _TENSOR_AXIS_LABELS})
    meaning = OUTPUTS[card.kind].meaning
    fields = {
        0: builder.CreateString(ANSWER),
        1: builder.CreateString(f"{meaning[0].upper()}{meaning[1:]}."),
        3: _table(builder, 3, {1: _table(builder, 0, {})}, small={0: _FEATURE}),
        5: _table(builder, 2, {0: _floats(builder, [1]), 1: _floats(builder, [0])}),
        6: _vector(builder, [labels]),
    }
    return _table(builder, 7, fields)


def _table(
    builder: Any,
    slots: int,
    offsets: Mapping[int, int],
    *,
    small: Mapping[int, int] | None = None,
    whole: Mapping[int, int] | None = None,
) -> int:
    builder.StartObject(slots)
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in (whole or {}).items():
        builder.PrependUint32Slot(slot, number, 0)
    for slot, number in (small or {}).items():
        builder.PrependUint8Slot(slot, number, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, numbers: Sequence[float]) -> int:
    builder.StartVector(4, len(numbers), 4)
    for number in reversed(numbers):
        builder.PrependFloat32(number)
    return int(builder.EndVector())
