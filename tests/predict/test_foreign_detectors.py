"""`dahlia predict --bundle` with detectors that Dahlia did not write, or that are no detectors at all."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dahlia import cli
from dahlia.modeling.detection.grid import ANCHORS

Run = Callable[..., tuple[int, str, str]]
PIXELS = {"Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "NominalRange_0_255"}
TAGS = ("cat", "dog")
GRID = "model_outputs0"
BOXES = ("detected_boxes", "detected_classes", "detected_scores")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call `dahlia predict` on a photo: exit status, standard output, standard error."""
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((48, 64, 3), 128, np.uint8))
    monkeypatch.chdir(tmp_path)

    def call(bundle: object) -> tuple[int, str, str]:
        monkeypatch.setattr(
            sys, "argv", ["dahlia", "predict", "photo.png", "--json", "--bundle", str(bundle)]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return call


def write(
    folder: Path,
    answers: Mapping[str, Any],
    shape: Sequence[int | str] = (1, 3, 64, 64),
    labels: str | None = "\n".join(TAGS),
    properties: Mapping[str, str] = PIXELS,
) -> Path:
    """A graph that gives the same answers whatever the photo."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {name: np.asarray(values) for name, values in answers.items()}
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}.values"], [name]) for name in given],
        "foreign",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(one.dtype), one.shape)
            for name, one in given.items()
        ],
        [numpy_helper.from_array(one, f"{name}.values") for name, one in given.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
    helper.set_model_props(proto, dict(properties))
    onnx.save(proto, folder / "model.onnx")
    if labels is not None:
        (folder / "labels.txt").write_text(labels, encoding="utf-8", newline="")
    return folder


def grid(*objects: tuple[int, int, int, float, int], cells: int = 13) -> np.ndarray:
    """(1, 5 * 7, cells, cells) in which objects of (anchor, row, column, logit of objectness, tag) are."""
    values = np.zeros((len(ANCHORS), 5 + len(TAGS), cells, cells), np.float32)
    values[:, 4] = -20
    for anchor, row, column, objectness, tag in objects:
        values[anchor, 4, row, column] = objectness
        values[anchor, 5 + tag, row, column] = 20
    return values.reshape(1, -1, cells, cells)


def boxes(*found: tuple[tuple[float, ...], float, float]) -> dict[str, np.ndarray]:
    """Answers with boxes of ((left, top, right, bottom), class, score)."""
    corners, tags, scores = (np.array([one[part] for one in found]) for part in range(3))
    arrays = corners.reshape(1, -1, 4).astype(np.float32), tags[None].astype(np.int64), scores[None]
    return dict(zip(BOXES, (*arrays[:2], arrays[2].astype(np.float32)), strict=True))


def zipped(folder: Path, place: str = "") -> Path:
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in folder.iterdir():
            packed.write(path, place + path.name)
    return target


def said(out: str) -> list[dict[str, Any]]:
    predictions: list[dict[str, Any]] = json.loads(out)["predictions"]
    return predictions


@pytest.mark.parametrize("shape", [(1, 3, 416, 416), (1, 3, "height", "width"), ("N", 3, 416, "width")])
@pytest.mark.parametrize("place", [None, "", "app/"], ids=["folder", "zip", "zip of Docker"])
def test_a_genuine_export(run: Run, tmp_path: Path, shape: tuple[int | str, ...], place: str | None) -> None:
    seen = grid((1, 6, 6, 3.0, 1), (1, 6, 6, 3.0, 1), (0, 2, 3, 0.0, 0))
    folder = write(tmp_path / "genuine", {GRID: seen}, shape)
    code, out, err = run(folder if place is None else zipped(folder, place))
    assert (code, err) == (0, "")
    dog, cat = said(out)
    assert (dog["tagName"], cat["tagName"]) == ("dog", "cat")
    assert dog["probability"] == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-5)
    left, top, width, height = dog["boundingBox"].values()
    assert (left + width / 2, top + height / 2) == pytest.approx((0.5, 0.5))
    assert (width, height) == pytest.approx((ANCHORS[1][0] / 13, ANCHORS[1][1] / 13))


def test_overlapping_boxes_of_a_genuine_export_are_suppressed_and_bounded(run: Run, tmp_path: Path) -> None:
    everywhere = [(0, row, column, 2.0, 0) for row in range(13) for column in range(13)]
    code, out, _ = run(write(tmp_path / "many", {GRID: grid(*everywhere)}))
    assert (code, len(said(out))) == (0, 64)
    _, out, _ = run(write(tmp_path / "same", {GRID: grid((3, 6, 6, 2.0, 0), (3, 6, 7, 1.0, 0))}))
    assert len(said(out)) == 1


@pytest.mark.parametrize("labels", ["cat\r\ndog", "cat\ndog\n", "\ufeffcat\ndog\r\n\r\n"])
def test_labels_as_other_programs_write_them(run: Run, tmp_path: Path, labels: str) -> None:
    code, out, _ = run(write(tmp_path / "model", {GRID: grid((1, 6, 6, 3.0, 1))}, labels=labels))
    assert (code, [one["tagName"] for one in said(out)]) == (0, ["dog"])


def test_boxes_are_clipped_and_the_likeliest_two_hundred(run: Run, tmp_path: Path) -> None:
    many = [((-0.5, 0.2, 0.3, 1.7), index % 2, 0.9 - index / 1000) for index in range(300)]
    code, out, _ = run(write(tmp_path / "model", boxes(*many)))
    found = said(out)
    assert (code, len(found)) == (0, 200)
    assert [one["probability"] for one in found] == pytest.approx([one[2] for one in many[:200]])
    assert list(found[0]["boundingBox"].values()) == pytest.approx([0, 0.2, 0.3, 0.8])


def test_boxes_far_beyond_the_photo_are_clipped(run: Run, tmp_path: Path) -> None:
    wide = grid((4, 6, 6, 3.0, 0), (4, 7, 6, 3.0, 0))
    wide.reshape(5, 7, 13, 13)[4, 2:4, 6:8, 6] = 80
    for name, answers in (("boxes", boxes(((-3e38, -3e38, 3e38, 3e38), 0, 0.9))), ("grid", {GRID: wide})):
        code, out, err = run(write(tmp_path / name, answers))
        assert (code, err) == (0, "")
        assert [list(one["boundingBox"].values()) for one in said(out)] == [[0, 0, 1, 1]]


INF, NAN = float("inf"), float("nan")
WHOLE = (0.1, 0.1, 0.5, 0.5)
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no labels": ({"labels": None}, "one without tags"),
    "empty labels": ({"labels": ""}, "empty lines"),
    "a gap in the labels": ({"labels": "cat\n\ndog"}, "empty lines"),
    "other labels": (
        {"labels": "cat\ndog\nbird"},
        "for the 3 tags it is given with; received (1, 35, 13, 13)",
    ),
    "huge": ({"shape": (1, 3, 200_000, 200_000)}, "with a size up to 4096; received [1, 3, 200000, 200000]"),
    "not square": ({"shape": (1, 3, 64, 96)}, "one photo of fixed size"),
    "four colours": ({"shape": (1, 4, 64, 64)}, "one photo of fixed size"),
    "eight photos": ({"shape": (8, 3, 64, 64)}, "one photo of fixed size"),
    "rank": ({"shape": (3, 64, 64)}, "one photo of fixed size"),
    "boxes of any size": ({"answers": boxes((WHOLE, 0, 0.5)), "shape": (1, 3, "h", "w")}, "of fixed size"),
    "overlap": ({"properties": PIXELS | {"dahlia.overlap": "much"}}, "with dahlia.overlap from 0 to 1"),
    "least": ({"properties": PIXELS | {"dahlia.least": "nan"}}, "with dahlia.least from 0 to 1"),
    "most": ({"properties": PIXELS | {"dahlia.most": "-1"}}, "with dahlia.most from 0"),
    "grid of nan": ({"answers": {GRID: grid((0, 1, 1, NAN, 0))}}, "infinity, or what is no number"),
    "grid of infinity": ({"answers": {GRID: grid((0, 1, 1, INF, 0))}}, "infinity, or what is no number"),
    "grid of huge sizes": ({"answers": {GRID: np.full((1, 35, 2, 2), 1000, np.float32)}}, "infinity"),
    "grid of rank 3": ({"answers": {GRID: grid()[0]}}, "received (35, 13, 13)"),
    "nan": ({"answers": boxes(((0.1, NAN, 0.5, 0.5), 0, 0.5))}, "infinity, or what is no number"),
    "infinite": ({"answers": boxes(((0.1, 0.1, INF, 0.5), 0, 0.5))}, "infinity, or what is no number"),
    "score of nan": ({"answers": boxes((WHOLE, 0, NAN))}, "infinity, or what is no number"),
    "class": ({"answers": boxes((WHOLE, 2, 0.5))}, "tags from 0 to 1, as many as it has; received 2"),
    "negative class": ({"answers": boxes((WHOLE, -1, 0.5))}, "received -1"),
    "score": ({"answers": boxes((WHOLE, 0, 1.5))}, "scores from 0 to 1; received 1.5"),
    "negative score": ({"answers": boxes((WHOLE, 0, -0.5))}, "scores from 0 to 1; received -0.5"),
    "negative size": (
        {"answers": boxes(((0.5, 0.1, 0.1, 0.5), 0, 0.5))},
        "positive size; received a size of -0.4",
    ),
    "half of the outputs": (
        {"answers": {BOXES[0]: np.zeros((1, 0, 4), np.float32)}},
        "without detected_classes",
    ),
    "rows of another number": (
        {"answers": boxes((WHOLE, 0, 0.5)) | {BOXES[1]: np.zeros((1, 2), np.int64)}},
        "received (1, 1, 4), (1, 2) and (1, 1)",
    ),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_detector_is_refused(
    run: Run, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    given: dict[str, Any] = {"answers": {GRID: grid()}} | changes
    code, out, err = run(write(tmp_path / "model", **given))
    assert (code, out) == (2, "")
    assert message in err.replace("\n", " ")
    assert "or name another file" in err
    assert "backbone" not in err


@pytest.mark.parametrize("content", [bytes(1 << 16), b"no graph", b"", b"\x08\x07"])
def test_what_is_no_graph_is_refused(run: Run, tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(content)
    for bundle in (folder, zipped(folder)):
        code, out, err = run(bundle)
        assert (code, out) == (2, "")
        assert "or name another file" in err
        assert "backbone" not in err


def test_a_card_nested_too_deeply(run: Run, tmp_path: Path) -> None:
    folder = write(tmp_path / "model", {GRID: grid()})
    (folder / "model.json").write_text("[" * 200_000)
    code, out, err = run(folder)
    assert (code, out) == (2, "")
    assert "nested too deeply" in err
