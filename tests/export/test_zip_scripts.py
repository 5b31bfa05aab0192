"""`python/object_detection.py` of detectors' zips: photos in, and what each kind of answer says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))

import fake_detector
from fake_detector import SIZE, Output
from fake_project import TAGS

from dahlia.boxes import Boxes, suppressed
from dahlia.export.contents import CONTENTS
from dahlia.export.formats import FAMILIES, by_name
from dahlia.export.packing import add_companions, metadata_properties
from dahlia.export.zip_scripts import docker_predict, object_detection
from dahlia.export.zip_scripts.object_detection import Reader, suppress
from dahlia.files import write_text


def reader(folder: Path, output: Output, name: str = "onnx") -> Reader:
    """Of what lies beside a model of this format."""
    said = metadata_properties(by_name(name), fake_detector.card(output))
    write_text(folder / "metadata_properties.json", json.dumps(said))
    write_text(folder / "labels.txt", "\n".join(TAGS))
    return Reader(folder)


CORNERS = np.array([[0.1, 0.2, 0.4, 0.6], [0.11, 0.2, 0.4, 0.6], [0.5, 0.5, 0.9, 0.7]], np.float32)
EXPECTED = [(TAGS[1], 0.9, 0.1, 0.2, 0.3, 0.4), (TAGS[0], 0.5, 0.5, 0.5, 0.4, 0.2)]


def check(found: list[Any]) -> None:
    assert [one.tag for one in found] == [tag for tag, *_ in EXPECTED]
    np.testing.assert_allclose([one[1:] for one in found], [numbers for _, *numbers in EXPECTED], atol=1e-6)


@pytest.mark.parametrize("batch", [True, False], ids=["with a batch axis", "without"])
def test_boxes(tmp_path: Path, batch: bool) -> None:
    """Those of TensorFlow have no batch axis."""
    outputs = {
        "detected_boxes": CORNERS[[0, 2]],
        "detected_classes": np.array([1, 0]),
        "detected_scores": np.array([0.9, 0.5], np.float32),
    }
    if batch:
        outputs = {name: values[None] for name, values in outputs.items()}
    check(reader(tmp_path, "boxes").find(outputs))


def test_boxes_before_suppression(tmp_path: Path) -> None:
    centres, edges = (CORNERS[:, :2] + CORNERS[:, 2:]) / 2, CORNERS[:, 2:] - CORNERS[:, :2]
    scores = np.array([[0, 0.9, 0], [0, 0.8, 0.001], [0.5, 0, 0]], np.float32)
    background = 1 - scores.sum(1, keepdims=True)
    outputs = {
        "raw_boxes": np.concatenate([centres, edges], 1)[None],
        "raw_probs": np.concatenate([background, scores], 1)[None],
    }
    check(reader(tmp_path, "boxes").find(outputs))


def test_boxes_of_core_ml(tmp_path: Path) -> None:
    """Suppressed already, by their centres, in any order; an overlap that someone asked for stays."""
    centres, edges = (CORNERS[:, :2] + CORNERS[:, 2:]) / 2, CORNERS[:, 2:] - CORNERS[:, :2]
    scores = np.array([[0, 0.9, 0], [0, 0.8, 0], [0.5, 0, 0]])
    coordinates = np.concatenate([centres, edges], 1, dtype=np.float64)
    ready = reader(tmp_path, "boxes", "coreml")
    check(ready.find({"coordinates": coordinates[[2, 0]], "confidence": scores[[2, 0]]}))
    assert len(ready.find({"coordinates": coordinates, "confidence": scores})) == 3
    assert ready.find({"coordinates": coordinates[:0], "confidence": scores[:0]}) == []


@pytest.mark.parametrize("shape", [(0, 4), (1, 0, 4)])
def test_nothing(tmp_path: Path, shape: tuple[int, ...]) -> None:
    outputs = {
        "detected_boxes": np.zeros(shape),
        "detected_classes": np.zeros(shape[:-1]),
        "detected_scores": np.zeros(shape[:-1]),
    }
    assert reader(tmp_path, "boxes").find(outputs) == []


def test_suppression_is_that_of_dahlia() -> None:
    random = np.random.default_rng(5)
    start, edges = random.uniform(0, 0.7, (60, 2)), random.uniform(0.05, 0.3, (60, 2))
    places = np.concatenate([start, edges], 1).astype(np.float32)
    scores = random.uniform(0, 1, (60, 2)).astype(np.float32)
    corners = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], 1)
    for most in (5, 100):
        _, tags, chances = suppress(corners, scores, 0.3, 0.2, most)
        rows, columns = np.nonzero(scores >= 0.2)
        ours = suppressed(
            Boxes(columns.astype(np.int32), places[rows], scores[rows, columns]), 0.3, 0.2, most
        )
        assert tags.tolist() == ours.tags.tolist()
        np.testing.assert_array_equal(chances, ours.scores)


@pytest.mark.parametrize(
    ("output", "name", "blue", "full"),
    [("grid", "onnx", 0, 255), ("boxes", "onnx", 2, 255), ("grid", "openvino", 2, 1)],
)
def test_photos_become_what_the_model_takes(
    tmp_path: Path, output: Output, name: str, blue: int, full: int
) -> None:
    ready = reader(tmp_path, output, name)
    photo = np.zeros((SIZE, SIZE, 3), np.uint8)
    photo[..., 0] = 255  # blue, as OpenCV reads it
    assert ready.size == SIZE
    first, last = ready.batch(photo), ready.batch(photo, channels_last=True)
    assert (first.shape, first.dtype, last.shape) == ((1, 3, SIZE, SIZE), np.float32, (1, SIZE, SIZE, 3))
    np.testing.assert_array_equal(first.transpose(0, 2, 3, 1), last)
    assert (first[0, blue] == full).all()
    assert first.sum() == full * SIZE * SIZE


@pytest.mark.parametrize("family", FAMILIES)
def test_every_zip_of_a_detector_has_scripts(tmp_path: Path, family: str, monkeypatch: Any) -> None:
    card = fake_detector.card()
    form = by_name(family)
    monkeypatch.setattr("dahlia.export.packing.readme", lambda *_: "")
    (tmp_path / form.model_file).parent.mkdir(parents=True, exist_ok=True)
    add_companions(tmp_path, form, card)
    names = {path.name for path in (tmp_path / "python").iterdir()}
    assert names == set(CONTENTS["detection"](card).scripts[family])
    assert names
    for path in (tmp_path / "python").iterdir():
        compile(path.read_text(), path.name, "exec")
        assert "from dahlia" not in path.read_text()


@pytest.mark.parametrize("words", [[], ["photo.jpg", "many"], ["photo.jpg", "0.3", "more", "words"]])
def test_scripts_say_what_they_take(words: list[str]) -> None:
    for asked in (object_detection.asked, docker_predict.asked):
        with pytest.raises(SystemExit, match=r"^Usage: python predict.py PHOTO \[SCORE.*photo.jpg 0.3"):
            asked(["predict.py", *words])


def test_scripts_print_from_a_score_on() -> None:
    assert object_detection.asked(["predict.py", "photo.jpg"]) == ("photo.jpg", 0.3)
    assert object_detection.asked(["predict.py", "photo.jpg", "0.5"]) == ("photo.jpg", 0.5)
    asked = docker_predict.asked(["predict.py", "photo.jpg", "0.5", "http://127.0.0.1:1"])
    assert asked == ("photo.jpg", 0.5, "http://127.0.0.1:1")


@pytest.mark.parametrize("size", [(10_241, 10), (10_500, 10_300)], ids=["an edge", "all pixels"])
def test_huge_photos_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    """Those with too many pixels before they are decoded."""
    Image.new("L", size).save(tmp_path / "huge.png", compress_level=1)
    program = "import sys; import object_detection; object_detection.read_photo(sys.argv[1], 32)"
    done = subprocess.run(
        [sys.executable, "-c", program, "huge.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(object_detection.__file__).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "huge.png was expected to be a photo whose edges have at most 10,240 pixels" in done.stderr
    assert "Traceback" not in done.stderr
