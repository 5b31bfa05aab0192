"""What a LiteRT file says of itself: tables of `metadata_schema.fbs` (`M001`).

The schema is that of https://github.com/tensorflow/tflite-support.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers

from dahlia.export.port import LABELS, detector_of, output_of
from dahlia.export.tensorflow.graph import BOXES, CLASSES, INPUT, OUTPUT, SCORES
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard

IDENTIFIER = b"M001"
ANSWER = "probability"
# Numbers of the schema.
DESCRIPTIONS, AXIS_LABELS, VALUE_LABELS = 1, 2, 3
_FEATURE, _IMAGE, _BOUNDING_BOX = 1, 2, 3
_BOUNDARIES, _RATIO = 1, 0
_NORMALISATION = 1
_RGB, _UNKNOWN_COLOURS = 1, 0


def describe(card: ModelCard) -> bytes:
    """The tables: the model, its image, and its answers, with `labels.txt` as the names of the tags.

    The schema knows red, green, blue and grey alone. A model that takes blue, green, red is said to be of
    unknown colours, and the text says which: readers that feed red first should not believe they fit.
    """
    builder = flatbuffers.Builder(1024)
    purpose, answers = _KINDS[card.kind]
    graph = _table(
        builder,
        7,
        {2: _vector(builder, [_image(builder, card)]), 3: _vector(builder, answers(builder, card))},
    )
    texts = {
        0: card.project,
        1: f"{purpose.format(tags=len(card.tags))} Domain {card.domain}.",
        2: card.data_fingerprint[:16],
        4: f"The owner of the project {card.project}, with Dahlia {card.dahlia_version}",
        5: _licence(card),
        7: "1.0.0",
    }
    strings = {slot: builder.CreateString(text) for slot, text in texts.items()}
    builder.Finish(_table(builder, 8, strings | {3: _vector(builder, [graph])}), IDENTIFIER)
    return bytes(builder.Output())


def _licence(card: ModelCard) -> str:
    backbone = card.backbone
    start = backbone.source or f"{backbone.weights} {backbone.architecture}"
    licence = f" ({backbone.licence})" if backbone.licence else ""
    return (
        f"The model is its owner's. It started from the weights `{start}`, whose licence{licence} counts too."
    )


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


def _probabilities(builder: Any, card: ModelCard) -> list[int]:
    meaning = output_of(card).meaning
    labels = _labels(builder, AXIS_LABELS, "The tags, in the order of the axis.")
    feature = _content(builder, _FEATURE, _table(builder, 0, {}))
    text = f"{meaning[0].upper()}{meaning[1:]}."
    return [_answer(builder, ANSWER, text, feature, within=(0, 1), labels=labels)]


def _detections(builder: Any, card: ModelCard) -> list[int]:
    return _DETECTIONS[detector_of(card).output](builder)


def _grid(builder: Any) -> list[int]:
    labels = _labels(builder, DESCRIPTIONS, "The tags, in the order of the class logits.")
    feature = _content(builder, _FEATURE, _table(builder, 0, {}))
    text = "The grid of YOLOv2: per cell and anchor x, y, width, height, objectness and class logits."
    return [_answer(builder, OUTPUT, text, feature, labels=labels)]


def _boxes(builder: Any) -> list[int]:
    """In the order in which the file answers them."""
    builder.StartVector(4, 4, 4)
    for side in reversed(range(4)):  # left, top, right, bottom
        builder.PrependUint32(side)
    order = builder.EndVector()
    edges = _table(builder, 3, {0: order}, small={1: _BOUNDARIES, 2: _RATIO})
    places = _content(builder, _BOUNDING_BOX, edges)
    labels = _labels(builder, VALUE_LABELS, "The tags, in the order of their numbers.")
    scores, classes = (_content(builder, _FEATURE, _table(builder, 0, {})) for _ in range(2))
    return [
        _answer(builder, BOXES, "Left, top, right and bottom, as fractions of the photo.", places),
        _answer(builder, SCORES, "Calibrated scores, the highest first.", scores, within=(0, 1)),
        _answer(builder, CLASSES, "The numbers of the tags.", classes, labels=labels),
    ]


_DETECTIONS: dict[str, Callable[[Any], list[int]]] = {"grid": _grid, "boxes": _boxes}
_KINDS: dict[Kind, tuple[str, Callable[[Any, ModelCard], list[int]]]] = {
    "multiclass": ("Says which of {tags} tags fit a photo.", _probabilities),
    "multilabel": ("Says which of {tags} tags fit a photo.", _probabilities),
    "detection": ("Finds objects of {tags} tags in a photo.", _detections),
}


def _answer(
    builder: Any,
    name: str,
    text: str,
    content: int,
    *,
    within: tuple[float, float] | None = None,
    labels: int | None = None,
) -> int:
    fields = {0: builder.CreateString(name), 1: builder.CreateString(text), 3: content}
    if within:
        low, high = (_floats(builder, [number]) for number in within)
        fields[5] = _table(builder, 2, {0: high, 1: low})
    if labels:
        fields[6] = _vector(builder, [labels])
    return _table(builder, 7, fields)


def _content(builder: Any, kind: int, properties: int) -> int:
    return _table(builder, 3, {1: properties}, small={0: kind})


def _labels(builder: Any, kind: int, text: str) -> int:
    file = {0: builder.CreateString(LABELS), 1: builder.CreateString(text)}
    return _table(builder, 4, file, small={2: kind})


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
