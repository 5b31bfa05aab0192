"""The tables of the metadata, read slot by slot as `metadata_schema.fbs` numbers them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from flatbuffers.number_types import Float32Flags, Uint8Flags, Uint32Flags
from flatbuffers.table import Table

from dahlia.export.port import Source
from dahlia.export.tensorflow.description import describe
from dahlia.export.tensorflow.metadata import with_labels
from small_detectors import Output, make_card


def child(table: Any, slot: int) -> Any:
    return Table(table.Bytes, table.Indirect(table.Pos + table.Offset(4 + 2 * slot)))


def children(table: Any, slot: int) -> list[Any]:
    offset = table.Offset(4 + 2 * slot)
    start = table.Vector(offset)
    return [
        Table(table.Bytes, table.Indirect(start + 4 * number)) for number in range(table.VectorLen(offset))
    ]


def text(table: Any, slot: int) -> str:
    return bytes(table.String(table.Pos + table.Offset(4 + 2 * slot))).decode()


def number(table: Any, slot: int, flags: Any = Uint8Flags) -> int:
    return int(table.GetSlot(4 + 2 * slot, 0, flags))


def floats(table: Any, slot: int) -> list[float]:
    offset = table.Offset(4 + 2 * slot)
    start = table.Vector(offset)
    return [table.Get(Float32Flags, start + 4 * index) for index in range(table.VectorLen(offset))]


def root(source: Source, **changed: object) -> Any:
    content = describe(source.card.model_copy(update=changed))
    assert content[4:8] == b"M001"
    return Table(content, struct.unpack_from("<I", content)[0])


def test_the_model_says_what_it_is(source: Source) -> None:
    model = root(source)
    assert text(model, 0) == source.card.project
    assert text(model, 1) == f"Says which of 3 tags fit a photo. Domain {source.card.domain}."
    assert text(model, 2) == source.card.data_fingerprint[:16]
    assert f"with Dahlia {source.card.dahlia_version}" in text(model, 4)
    assert "licence" in text(model, 5)
    assert text(model, 7) == "1.0.0"


@pytest.mark.parametrize(
    ("channels", "colours", "words"),
    [("BGR", 0, "blue, green, red"), ("RGB", 1, "red, green, blue")],
)
def test_the_image(source: Source, channels: str, colours: int, words: str) -> None:
    (graph,) = children(root(source, channels=channels), 3)
    (image,) = children(graph, 2)
    assert text(image, 0) == "Placeholder"
    assert words in text(image, 1)
    content = child(image, 3)
    assert number(content, 0) == 2  # ImageProperties
    properties = child(content, 1)
    assert number(properties, 0) == colours
    size = child(properties, 1)
    assert (number(size, 0, Uint32Flags), number(size, 1, Uint32Flags)) == (32, 32)
    (unit,) = children(image, 4)
    assert number(unit, 0) == 1  # NormalizationOptions
    assert (floats(child(unit, 1), 0), floats(child(unit, 1), 1)) == ([0.0], [1.0])
    assert (floats(child(image, 5), 0), floats(child(image, 5), 1)) == ([255.0], [0.0])


@pytest.mark.parametrize(
    ("classification", "words"), [("multiclass", "that sum to 1"), ("multilabel", "each tag by itself")]
)
def test_the_probabilities(source: Source, classification: str, words: str) -> None:
    (graph,) = children(root(source, classification=classification), 3)
    (answer,) = children(graph, 3)
    assert text(answer, 0) == "probability"
    assert words in text(answer, 1)
    assert number(child(answer, 3), 0) == 1  # FeatureProperties
    (file,) = children(answer, 6)
    assert text(file, 0) == "labels.txt"
    assert number(file, 2) == 2  # TENSOR_AXIS_LABELS


def test_tags_of_any_script_travel() -> None:
    content = with_labels(b"model", ["Ahornblatt", "楓", "клён"])
    assert content.startswith(b"model")
    assert "Ahornblatt\n楓\nклён".encode() in content


def detector_answers(output: Output) -> list[Any]:
    content = describe(make_card(output))
    (graph,) = children(Table(content, struct.unpack_from("<I", content)[0]), 3)
    return children(graph, 3)


def test_the_boxes() -> None:
    boxes, scores, classes = detector_answers("boxes")
    assert [text(one, 0) for one in (boxes, scores, classes)] == [
        "detected_boxes",
        "detected_scores",
        "detected_classes",
    ]
    content = child(boxes, 3)
    assert number(content, 0) == 3  # BoundingBoxProperties
    edges = child(content, 1)
    start = edges.Vector(edges.Offset(4))
    order = [edges.Get(Uint32Flags, start + 4 * side) for side in range(edges.VectorLen(edges.Offset(4)))]
    assert order == [0, 1, 2, 3]  # left, top, right, bottom
    assert (number(edges, 1), number(edges, 2)) == (1, 0)  # BOUNDARIES, RATIO
    (file,) = children(classes, 6)
    assert (text(file, 0), number(file, 2)) == ("labels.txt", 3)  # TENSOR_VALUE_LABELS
    assert (floats(child(scores, 5), 0), floats(child(scores, 5), 1)) == ([1.0], [0.0])


def test_the_grid() -> None:
    (grid,) = detector_answers("grid")
    assert text(grid, 0) == "model_outputs"
    assert "YOLOv2" in text(grid, 1)
    (file,) = children(grid, 6)
    assert (text(file, 0), number(file, 2)) == ("labels.txt", 1)  # no axis has these names
