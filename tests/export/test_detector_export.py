"""Exports of real detectors of random weights: files, the lines of the README, and what old clients read."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import yaml
from following import following_once
from published_decoders import ANCHORS, read_as_the_zips

from dahlia import layout
from dahlia.boxes import Boxes, overlaps
from dahlia.errors import ExportError, VerificationError
from dahlia.export.artifacts import ExportInputs, Proof, export_inputs, write_download, write_export
from dahlia.export.docker.process import running
from dahlia.export.formats import FORMATS, by_name
from dahlia.modeling.card import load_card, save_card
from dahlia.modeling.detection.reference import load_box_reference
from small_detectors import SIZE, STRIDES, TAGS, Output, SmallDetector, make_detector

pytestmark = pytest.mark.slow

OUTPUTS = pytest.mark.parametrize("output", ["grid", "boxes"])
WRITTEN = [form.name for form in FORMATS]
# Python runs these on Linux; Core ML and TensorFlow.js have what reads answers alone.
SCRIPTED = [name for name in WRITTEN if not re.search("coreml|tfjs|float16|int8|arm", name)]
ITERATION = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[Output, SmallDetector]:
    """A detector of each output; not to be changed."""
    return {output: make_detector(tmp_path_factory.mktemp(output), output) for output in STRIDES}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Converted graphs, which all tests share."""
    with following_once({}):
        yield tmp_path_factory.mktemp("kept")


def inputs_of(detector: SmallDetector, kept: Path) -> ExportInputs:
    return export_inputs(detector.bundle, detector.records, detector.root, graphs=kept)


def export(detector: SmallDetector, kept: Path, folder: Path, name: str = "onnx") -> Proof:
    return write_export(by_name(name), folder, inputs_of(detector, kept), detector.params.export)


@OUTPUTS
@pytest.mark.parametrize("name", WRITTEN)
def test_what_an_export_proves(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, output: Output, name: str
) -> None:
    proof = export(trained[output], kept, tmp_path / "made", name)
    document = json.loads((tmp_path / "made" / "verification.json").read_text())
    assert document == proof.document(by_name(name))
    assert document["images"] == 8
    assert document["boxes"] == sum(map(len, load_box_reference(trained[output].bundle).found)) > 8
    assert set(document["accuracy"]) == {
        "figure", "images", "of", "held_out", "trained_model", "artefact", "meaning"
    }  # fmt: skip
    if document["limit"]["difference"]:
        assert document["largest_difference"] <= document["limit"]["difference"]
        assert document["lowest_overlap"] > 0.99


@OUTPUTS
def test_what_a_download_holds(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, output: Output
) -> None:
    detector, path = trained[output], tmp_path / "a.zip"
    write_download(by_name("onnx"), path, inputs_of(detector, kept), detector.params.export, ITERATION)
    with zipfile.ZipFile(path) as packed:
        assert sorted(packed.namelist()) == [
            "LICENSE",
            "README.md",
            "cvexport.manifest",
            "labels.txt",
            "metadata_properties.json",
            "model.json",
            "model.onnx",
            "python/object_detection.py",
            "python/onnxruntime_predict.py",
            "verification.json",
        ]
        assert packed.read("labels.txt") == "\n".join(TAGS).encode()
        manifest = json.loads(packed.read("cvexport.manifest"))
        properties = json.loads(packed.read("metadata_properties.json"))
        model = packed.read("model.onnx")
    assert manifest["DomainType"] == "ObjectDetection"
    assert (manifest["Platform"], manifest["Flavor"]) == ("ONNX", None)
    assert manifest["ModelFileSHA1"] == hashlib.sha1(model).hexdigest()
    said = {
        name: properties[f"CustomVision.Postprocess.{name}"]
        for name in ("Method", "Yolo.Biases", "Yolo.NmsThreshold")
    }
    if output == "grid":
        assert said == {
            "Method": "Yolo",
            "Yolo.Biases": json.dumps(ANCHORS),
            "Yolo.NmsThreshold": "0.45",
        }
    else:
        assert said == {"Method": "SSD", "Yolo.Biases": "[]", "Yolo.NmsThreshold": "0.0"}
    assert properties["CustomVision.Preprocess.ResizeMethod"] == "Stretch"
    assert properties["CustomVision.Preprocess.TargetWidth"] == str(SIZE)


def taken(detector: SmallDetector, number: int, order: str) -> npt.NDArray[np.float32]:
    """A photo as programs prepare it: (1, 3, SIZE, SIZE), 0 to 255."""
    photo = cv2.imread(str(detector.root / detector.records[number].path))
    assert photo is not None
    small = cv2.resize(photo, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    small = small if order == "BGR" else small[:, :, ::-1]
    return np.ascontiguousarray(small.transpose(2, 0, 1)[None], np.float32)


@pytest.mark.parametrize("name", ["onnx", "onnx-float16"])
def test_an_old_client_reads_the_grid(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, name: str
) -> None:
    detector = trained["grid"]
    export(detector, kept, tmp_path / "made", name)
    session = onnxruntime.InferenceSession(tmp_path / "made" / "model.onnx")
    assert [(one.name, one.shape[1:]) for one in session.get_inputs()] == [("data", [3, SIZE, SIZE])]
    assert [one.name for one in session.get_outputs()] == ["model_outputs0"]
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["Image.BitmapPixelFormat"] == "Bgr8"
    assert properties["Image.NominalPixelRange"] == "NominalRange_0_255"
    reference = load_box_reference(detector.bundle)
    by_id = dict(zip(reference.ids, reference.found, strict=True))
    for number, record in enumerate(detector.records):
        (grid,) = session.run(["model_outputs0"], {"data": taken(detector, number, "BGR")})
        assert grid.dtype == np.float32
        assert np.abs(grid).max() < 65504, "a client may read it in 16 bits"
        found = read_as_the_zips(grid, len(TAGS), 0.05, 0.45)
        expected = by_id[record.id]
        expected = expected.where(expected.scores >= 0.05)
        _agree(found, expected, 1e-4 if name == "onnx" else 1e-2)


def _agree(found: list[Any], expected: Boxes, gate: float) -> None:
    sure = expected.where(expected.scores > 0.05 + gate)
    assert len(sure) > 0
    places = np.array(
        [(left, top, right - left, bottom - top) for *_, left, top, right, bottom in found], np.float32
    )
    tags, scores = np.array([one[0] for one in found]), np.array([one[1] for one in found])
    same = (overlaps(sure.places, places) > 0.99) & (sure.tags[:, None] == tags[None])
    assert same.any(1).mean() > 0.9, "suppression may choose between equals"
    near = np.abs(sure.scores[:, None] - scores[None]) <= gate
    assert (same & near).any(1).sum() == same.any(1).sum()


def test_a_client_of_s1_reads_boxes(trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path) -> None:
    detector = trained["boxes"]
    export(detector, kept, tmp_path / "made")
    session = onnxruntime.InferenceSession(tmp_path / "made" / "model.onnx")
    (given,) = session.get_inputs()
    assert (given.name, given.shape, given.type) == ("image_tensor", [1, 3, SIZE, SIZE], "tensor(float)")
    names = ["detected_boxes", "detected_classes", "detected_scores"]
    assert [one.name for one in session.get_outputs()] == names
    assert session.get_modelmeta().custom_metadata_map["Image.BitmapPixelFormat"] == "Rgb8"
    reference = load_box_reference(detector.bundle)
    for number, record in enumerate(detector.records):
        boxes, classes, scores = session.run(names, {"image_tensor": taken(detector, number, "RGB")})
        count = scores.shape[1]
        assert (boxes.shape, classes.shape, classes.dtype) == ((1, count, 4), (1, count), np.int64)
        expected = reference.found[reference.ids.index(record.id)]
        assert count == len(expected)
        np.testing.assert_allclose(scores[0], expected.scores, atol=1e-4)
        assert (np.diff(scores[0]) <= 0).all()
        corners = np.concatenate([expected.places[:, :2], expected.places[:, :2] + expected.places[:, 2:]], 1)
        sure = np.append(expected.scores[:-1] - expected.scores[1:] > 2e-4, True)
        np.testing.assert_allclose(boxes[0][sure], corners[sure], atol=1e-4)
        np.testing.assert_array_equal(classes[0][sure], expected.tags[sure])


def test_a_photo_in_which_nothing_is(kept: Path, tmp_path: Path) -> None:
    def blind(model: Any) -> None:
        model.head.classes.weight.fill_(0.0)
        model.head.classes.bias.fill_(-30.0)

    for output in STRIDES:
        detector = make_detector(tmp_path / output, output, photos=3, change=blind)
        proof = export(detector, kept, tmp_path / f"made-{output}")
        assert proof.document(by_name("onnx"))["boxes"] == 0


@OUTPUTS
@pytest.mark.parametrize("name", ["onnx", "openvino", "openvino-raw"])
def test_the_lines_of_the_readme_run(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, output: Output, name: str
) -> None:
    detector, folder = trained[output], tmp_path / "made"
    export(detector, kept, folder, name)
    lay_photo(detector, folder)
    text = (folder / "README.md").read_text()
    assert "An object detector of 3 tags: aphid, bee, rose." in text
    code = text.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) <= 12
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    check_printed(ended.stdout, detector, name)


def lay_photo(detector: SmallDetector, folder: Path) -> Path:
    """One that the detector was asked about."""
    path = folder / "photo.jpg"
    path.write_bytes((detector.root / detector.records[1].path).read_bytes())
    return path


def check_printed(printed: str, detector: SmallDetector, name: str) -> None:
    """A line for each object of at least 0.3 that the trained detector finds."""
    reference = load_box_reference(detector.bundle)
    expected = reference.found[reference.ids.index(detector.records[1].id)]
    gate = 0.012 if by_name(name).precision == "float16" else 2e-3
    found = [(tag, *map(float, numbers)) for tag, *numbers in map(str.split, printed.splitlines())]
    assert len(found) > 0
    assert abs(len(found) - int((expected.scores >= 0.3).sum())) <= int(
        (abs(expected.scores - 0.3) < gate).sum()
    )
    for tag, score, *place in found:
        rows = np.flatnonzero(np.abs(expected.scores - score) < gate)
        off = np.abs(expected.places[rows] - np.array(place)).max(1)
        assert tag in [TAGS[one] for one in expected.tags[rows[off <= 5e-3]]], (tag, score, place)


@OUTPUTS
@pytest.mark.parametrize("name", SCRIPTED)
def test_the_script_of_the_zip_runs(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, output: Output, name: str
) -> None:
    """Unpacked elsewhere, without Dahlia, from another folder."""
    detector, path = trained[output], tmp_path / "a.zip"
    write_download(by_name(name), path, inputs_of(detector, kept), detector.params.export, ITERATION)
    with zipfile.ZipFile(path) as packed:
        packed.extractall(tmp_path / "unpacked")
    photo = lay_photo(detector, tmp_path)
    (script,) = (tmp_path / "unpacked" / "python").glob("*predict.py")
    for part in script.parent.iterdir():
        assert not re.search(r"^\s*(from|import) dahlia", part.read_text(), re.MULTILINE), part.name
    arguments = [sys.executable, str(script), str(photo)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with serving(tmp_path / "unpacked", name) as address:
        ended = subprocess.run(
            [*arguments, *(["0.3", address] if address else [])],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    check_printed(ended.stdout, detector, name)


@contextmanager
def serving(folder: Path, name: str) -> Iterator[str | None]:
    """The address of the container, where it is one."""
    if not name.startswith("docker"):
        yield None
        return
    with running(folder) as server:
        yield f"http://127.0.0.1:{server.port}"


@OUTPUTS
def test_other_weights_need_no_torch(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path, output: Output
) -> None:
    export(trained[output], kept, tmp_path / "first")
    other = make_detector(tmp_path / "other", output, seed=1)
    (other.root / "params.yaml").write_text(yaml.safe_dump(other.params.model_dump(by_alias=True)))
    (other.root / layout.GRAPH_CACHE).parent.mkdir(parents=True, exist_ok=True)
    (other.root / layout.GRAPH_CACHE).symlink_to(kept)
    script = (
        "import pathlib, sys; from dahlia.stages import export; from dahlia.config import load_params\n"
        "export.run(load_params(), pathlib.Path(), 'onnx')\n"
        "print(*(name for name in ('torch', 'timm', 'lightning') if name in sys.modules))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=other.root, capture_output=True, text=True, check=True
    )
    assert "boxes above 1 % in 8 photos, overlap at least" in ended.stdout
    assert ended.stdout.splitlines()[-1] == ""
    first, second = (path / "model.onnx" for path in (tmp_path / "first", other.root / layout.SERVABLE))
    assert first.read_bytes() != second.read_bytes()


def test_exporting_again_gives_the_same_file(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path
) -> None:
    for folder in ("one", "two"):
        export(trained["grid"], kept, tmp_path / folder)
    assert (tmp_path / "one/model.onnx").read_bytes() == (tmp_path / "two/model.onnx").read_bytes()
    assert b"site-packages" not in (tmp_path / "one/model.onnx").read_bytes()


def test_a_grid_wants_five_places_in_a_cell(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path
) -> None:
    detector = make_detector(tmp_path / "project", "boxes", photos=2)
    card = load_card(detector.bundle)
    assert card.detector is not None
    how = card.detector.model_copy(update={"output": "grid"})
    save_card(detector.bundle, card.model_copy(update={"detector": how}))
    with pytest.raises(ExportError, match=r"five|5 places in each of its cells.*strides of 8, 16, 32 px"):
        export(detector, kept, tmp_path / "made")


def test_a_graph_of_other_weights_is_refused(
    trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path
) -> None:
    other = make_detector(tmp_path / "other", "grid", seed=2)
    inputs = inputs_of(trained["grid"], kept)
    wrong = replace(inputs, source=replace(inputs.source, bundle=other.bundle))
    with pytest.raises(VerificationError, match="does not find what the trained detector finds"):
        write_export(by_name("onnx"), tmp_path / "made", wrong, trained["grid"].params.export)
    assert not (tmp_path / "made").exists()


def test_decoding_stays_in_32_bits(trained: dict[Output, SmallDetector], kept: Path, tmp_path: Path) -> None:
    export(trained["boxes"], kept, tmp_path / "made", "onnx-float16")
    proto = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "made" / "model.onnx"))
    kinds = {one.name: one.type.tensor_type.elem_type for one in proto.graph.value_info}
    half, full = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT
    by_kind = {
        kind: {node.op_type for node in proto.graph.node if kinds.get(node.output[0]) == kind}
        for kind in (half, full)
    }
    assert "Conv" in by_kind[half]
    assert not {"Sigmoid", "Softplus", "Exp"} & by_kind[half]
    assert "Sigmoid" in by_kind[full]
