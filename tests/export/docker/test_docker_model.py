from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper

from dahlia.errors import ServiceError
from dahlia.export.docker.context.model import load_model

UNIT = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"}
RGB = {"Image.BitmapPixelFormat": "Rgb8", "Image.NominalPixelRange": "NominalRange_0_255"}


def mark(files: Path, properties: dict[str, str]) -> None:
    proto = onnx.load(files / "model.onnx")
    del proto.metadata_props[:]
    helper.set_model_props(proto, properties)
    onnx.save(proto, files / "model.onnx")


def facts(files: Path, **changes: Any) -> None:
    path = files / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_model_answers(files: Path, picture: Any) -> None:
    model = load_model(files)
    assert (model.project, [tag.name for tag in model.tags]) == ("colours", ["red", "green", "blue"])
    found = model.predict(picture((250, 20, 20), "PNG"))
    assert [(one.tag.name, one.number, one.place) for one in found] == [
        ("red", 0, None),
        ("green", 1, None),
        ("blue", 2, None),
    ]
    red, green, blue = (one.probability for one in found)
    assert red > 0.9
    assert green == blue
    assert red + green + blue == pytest.approx(1)


def test_swapped_colours_are_read_from_the_file(files: Path, picture: Any) -> None:
    before = [one.probability for one in load_model(files).predict(picture())]
    mark(files, RGB)
    after = [one.probability for one in load_model(files).predict(picture())]
    assert abs(before[0] - after[0]) > 0.5
    assert before == after[::-1]


def test_the_manifest_names_the_iteration(files: Path) -> None:
    (files / "cvexport.manifest").write_text('{"IterationId": "abc"}')
    assert load_model(files).iteration == "abc"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda files: (files / "model.onnx").unlink(), "model.onnx"),
        (lambda files: (files / "labels.txt").unlink(), "labels.txt"),
        (lambda files: (files / "model.json").unlink(), "model.json"),
        (lambda files: (files / "model.onnx").write_bytes((files / "model.onnx").read_bytes()[:99]), ""),
        (lambda files: (files / "model.json").write_text("{"), "cannot be loaded"),
        (lambda files: (files / "model.json").write_text("{}"), "cannot be loaded"),
        (lambda files: (files / "labels.txt").write_bytes(b"\xff"), "cannot be loaded"),
        (
            lambda files: (files / "labels.txt").write_text("red\nblue\ngreen"),
            "red, blue, green in labels.txt",
        ),
        (lambda files: (files / "cvexport.manifest").write_text("{}"), "IterationId"),
        (lambda files: mark(files, UNIT), "0 to 255"),
        (lambda files: mark(files, {}), "0 to 255"),
    ],
)
def test_models_that_cannot_be_served(files: Path, damage: Callable[[Path], Any], words: str) -> None:
    damage(files)
    with pytest.raises(ServiceError, match="Unpack the export again") as caught:
        load_model(files)
    assert words in str(caught.value)


def test_a_graph_of_other_tags(files: Path) -> None:
    facts(files, tags=[{"id": "1", "name": "red", "type": "Regular"}])
    (files / "labels.txt").write_text("red")
    with pytest.raises(ServiceError, match="names 1 tags"):
        load_model(files)
