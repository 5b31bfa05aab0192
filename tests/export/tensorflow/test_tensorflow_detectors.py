"""Detectors in every form of the family: what their files answer, and wrong files that are caught."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from dahlia.errors import VerificationError
from dahlia.export.artifacts import export_inputs, write_export
from dahlia.export.box_proof import BoxPhotos, box_photos, compare_boxes, require_boxes
from dahlia.export.formats import by_name
from dahlia.export.packing import add_companions
from dahlia.export.port import DetectorPort, OpenedDetector, Source
from dahlia.export.tensorflow import litert, port
from dahlia.export.tensorflow._runtime import tf
from dahlia.export.tensorflow.description import describe
from dahlia.export.tensorflow.flat_buffers import schema, unpacked
from dahlia.export.tensorflow.graph import ImageGraph, frozen_graph
from dahlia.export.tensorflow.metadata import put_metadata, with_labels
from dahlia.export.tensorflow.writers import flat_buffer, save_model, write_frozen_pb
from dahlia.export.verify import LIMITS
from dahlia.modeling.card import ModelCard, load_card
from dahlia.modeling.detection.answers import GridAnswer
from dahlia.modeling.detection.reference import load_box_reference
from dahlia.modeling.reference import whole_photos
from small_detectors import SIZE, STRIDES, TAGS, Output, SmallDetector, make_detector

pytestmark = pytest.mark.slow

OUTPUTS: tuple[Output, ...] = ("boxes", "grid")
BOXES = ["detected_boxes", "detected_scores", "detected_classes"]
FORMS = ("litert", "litert-float16", "litert-int8", "tensorflow", "tensorflow-saved-model")
Written = Callable[[Output, str], Path]
Fault = Callable[[Any], None]


@pytest.fixture(scope="module")
def detectors(tmp_path_factory: pytest.TempPathFactory) -> dict[Output, SmallDetector]:
    """A detector of each output; not to be changed."""
    return {output: make_detector(tmp_path_factory.mktemp(output), output) for output in STRIDES}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Converted graphs, which all tests share."""
    return tmp_path_factory.mktemp("graphs")


@pytest.fixture(scope="module")
def exported(
    detectors: dict[Output, SmallDetector], kept: Path, tmp_path_factory: pytest.TempPathFactory
) -> Written:
    """Exports, each made once; not to be changed."""

    @cache
    def made(output: Output, name: str) -> Path:
        folder, detector = tmp_path_factory.mktemp("made") / name, detectors[output]
        inputs = export_inputs(detector.bundle, detector.records, detector.root, graphs=kept)
        write_export(by_name(name), folder, inputs, detector.params.export)
        return folder

    return made


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", FORMS)
def test_what_an_export_proves(
    detectors: dict[Output, SmallDetector], exported: Written, output: Output, name: str
) -> None:
    document = json.loads((exported(output, name) / "verification.json").read_text())
    assert document["images"] == 8
    assert document["boxes"] == sum(map(len, load_box_reference(detectors[output].bundle).found)) > 8
    if document["limit"]["difference"]:
        assert document["largest_difference"] <= document["limit"]["difference"]
        assert document["lowest_overlap"] > 0.995


def asked(folder: Path, images: np.ndarray) -> dict[str, np.ndarray]:
    """What a file answers to images as it takes them, by name; as programs ask it."""
    if (folder / "model.pb").exists():
        definition = tf.compat.v1.GraphDef.FromString((folder / "model.pb").read_bytes())
        # As a published sample finds them.
        read = {name.split(":")[0] for node in definition.node for name in node.input}
        names = sorted({node.name for node in definition.node} - read)
        (taken,) = (node.name for node in definition.node if node.op == "Placeholder")
        with tf.compat.v1.Session(graph=tf.Graph()) as session:
            tf.graph_util.import_graph_def(definition, name="")
            answers = session.run([f"{name}:0" for name in names], {f"{taken}:0": images})
        return dict(zip(names, answers, strict=True))
    if (folder / "saved_model.pb").exists():
        serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
        assert serve.inputs[0].shape[1:3] == (SIZE, SIZE)
        return {name: answer.numpy() for name, answer in serve(tf.convert_to_tensor(images)).items()}
    with pytest.warns(UserWarning, match=r"tf\.lite\.Interpreter is deprecated"):
        interpreter = tf.lite.Interpreter(model_path=str(folder / "model.tflite"))
    interpreter.allocate_tensors()
    assert list(interpreter.get_signature_list()) == ["serving_default"]
    (given,) = interpreter.get_input_details()
    assert given["name"] == "Placeholder"
    assert given["shape"].tolist() == [1, SIZE, SIZE, 3]
    interpreter.set_tensor(given["index"], images)
    interpreter.invoke()
    return {one["name"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()}


def taken(detector: SmallDetector, number: int, order: Literal["RGB", "BGR"]) -> np.ndarray:
    pixels = whole_photos(detector.records[number : number + 1], detector.root, SIZE)
    images = pixels.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images if order == "RGB" else images[..., ::-1])


@pytest.mark.parametrize("name", FORMS)
def test_the_grid_is_the_documented_one(
    detectors: dict[Output, SmallDetector], exported: Written, name: str
) -> None:
    detector = detectors["grid"]
    module = GridAnswer(detector.source(Path()).detector()).eval()
    for number in range(3):
        answers = asked(exported("grid", name), taken(detector, number, "BGR"))
        assert list(answers) == ["model_outputs"]
        grid = answers["model_outputs"]
        assert (grid.shape, grid.dtype) == ((1, 3, 3, 5 * (5 + len(TAGS))), np.float32)
        assert np.abs(grid).max() < 65504, "a client may read it in 16 bits"
        if by_name(name).precision == "float32":
            with torch.inference_mode():
                pixels = torch.from_numpy(taken(detector, number, "RGB").transpose(0, 3, 1, 2).copy())
                expected = module(pixels).permute(0, 2, 3, 1).numpy()
            np.testing.assert_allclose(grid, expected, atol=1e-3)


@pytest.mark.parametrize("name", FORMS)
def test_the_boxes_are_the_documented_ones(
    detectors: dict[Output, SmallDetector], exported: Written, name: str
) -> None:
    detector = detectors["boxes"]
    reference = load_box_reference(detector.bundle)
    for number, record in enumerate(detector.records):
        answers = asked(exported("boxes", name), taken(detector, number, "RGB"))
        assert sorted(answers) == sorted(BOXES)
        boxes, scores, classes = (answers[one] for one in BOXES)
        count = len(scores)
        assert (boxes.shape, scores.shape, classes.shape) == ((count, 4), (count,), (count,))
        assert (boxes.dtype, scores.dtype, classes.dtype) == (np.float32, np.float32, np.int64)
        assert (np.diff(scores) <= 0).all()
        if by_name(name).precision == "float32":
            expected = reference.found[reference.ids.index(record.id)]
            np.testing.assert_allclose(scores, expected.scores, atol=1e-5)
            corners = np.concatenate(
                [expected.places[:, :2], expected.places[:, :2] + expected.places[:, 2:]], 1
            )
            sure = np.append(expected.scores[:-1] - expected.scores[1:] > 2e-5, True)
            np.testing.assert_allclose(boxes[sure], corners[sure], atol=1e-5)
            np.testing.assert_array_equal(classes[sure], expected.tags[sure])


def test_programs_may_feed_the_image_by_its_other_name(
    detectors: dict[Output, SmallDetector], exported: Written
) -> None:
    path, images = exported("boxes", "tensorflow") / "model.pb", taken(detectors["boxes"], 0, "RGB")
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        tf.graph_util.import_graph_def(tf.compat.v1.GraphDef.FromString(path.read_bytes()), name="")
        tensor = session.graph.get_tensor_by_name("image_tensor:0")
        assert tensor.shape.as_list() == [1, SIZE, SIZE, 3]
        one, other = (
            session.run("detected_scores:0", {name: images}) for name in ("image_tensor:0", "Placeholder:0")
        )
    np.testing.assert_array_equal(one, other)
    assert len(one) > 1


@pytest.mark.parametrize("output", OUTPUTS)
def test_only_the_backbone_has_fewer_bits(exported: Written, output: Output) -> None:
    sizes = {}
    for name, narrow in (("litert", None), ("litert-float16", "FLOAT16"), ("litert-int8", "INT8")):
        content = (exported(output, name) / "model.tflite").read_bytes()
        sizes[name] = len(content)
        kinds = {"FLOAT16": schema().TensorType.FLOAT16, "INT8": schema().TensorType.INT8}
        (graph,) = unpacked(content).subgraphs
        names = [tensor.name.decode() for tensor in graph.tensors if tensor.type == kinds.get(narrow or "")]
        assert (len(names) > 10) == (narrow is not None)
        assert not [one for one in names if "/head/" in one or "/decoder/" in one or "/answer/concat" in one]
    assert sizes["litert"] > 1.6 * sizes["litert-float16"] > 1.6 * sizes["litert-int8"]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", FORMS)
def test_the_lines_of_the_readme_run(
    detectors: dict[Output, SmallDetector], exported: Written, tmp_path: Path, output: Output, name: str
) -> None:
    detector, folder = detectors[output], exported(output, name)
    record = detector.records[1]
    for part in (*folder.iterdir(), detector.root / record.path):
        (tmp_path / (part.name if part.parent == folder else "photo.jpg")).symlink_to(part)
    text = (folder / "README.md").read_text()
    assert "An object detector of 3 tags: aphid, bee, rose." in text
    code = text.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line]) <= 15
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    with by_name(name).load_port().opened_detector(folder) as opened:  # type: ignore[attr-defined]
        expected = opened.find(whole_photos([record], detector.root, opened.size))
    within = 0.1 if by_name(name).precision == "int8" else 1e-2
    assert len(said) > 0
    for line in said:
        tag, score, *place = line.split()
        rows = np.flatnonzero(np.abs(expected.scores - float(score)) < within)
        off = np.abs(expected.places[rows] - np.array(place, float)).max(1)
        assert tag in [TAGS[one] for one in expected.tags[rows[off <= within]]], line


def write_lite(folder: Path, graph: ImageGraph, card: ModelCard) -> None:
    model = put_metadata(flat_buffer(graph, "float32"), describe(card))
    (folder / "model.tflite").write_bytes(with_labels(model, [tag.name for tag in card.tags]))


WRITERS: dict[str, Callable[[Path, ImageGraph, ModelCard], None]] = {
    "litert": write_lite,
    "tensorflow": lambda folder, graph, card: write_frozen_pb(folder / "model.pb", graph),
    "tensorflow-saved-model": lambda folder, graph, card: save_model(folder, graph),
}


def nodes(definition: Any) -> dict[str, Any]:
    return {node.name: node for node in definition.node}


def change(definition: Any, suffix: str, by: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change the constant whose name ends so."""
    (name,) = (node.name for node in definition.node if node.op == "Const" and node.name.endswith(suffix))
    held = nodes(definition)[name].attr["value"].tensor
    changed = by(tf.make_ndarray(held))
    held.CopyFrom(tf.make_tensor_proto(changed, shape=changed.shape))


def first_kernel(definition: Any, by: Callable[[np.ndarray], np.ndarray]) -> None:
    node = next(node for node in definition.node if node.op == "Conv2D")
    change(definition, node.input[1], by)


def swap_colours(definition: Any) -> None:
    first_kernel(definition, lambda kernel: kernel[:, :, ::-1])


def swap_rows_and_columns(definition: Any) -> None:
    change(definition, "decoder/sub/x", lambda centres: centres[..., ::-1])


def forget_suppression(definition: Any) -> None:
    change(definition, "/iou_threshold", np.ones_like)


def suppress_across_tags(definition: Any) -> None:
    change(definition, "GatherV2_1/params", np.zeros_like)


def take_other_anchors(definition: Any) -> None:
    change(definition, "answer/Mul_3/y", lambda factors: factors[:, ::-1])


def forget_order(definition: Any) -> None:
    gather = next(node for node in definition.node if node.op == "GatherV2")
    change(definition, gather.input[1], np.sort)


FAULTS: tuple[tuple[Output, Fault], ...] = (
    ("boxes", swap_colours),
    ("boxes", swap_rows_and_columns),
    ("boxes", forget_suppression),
    ("boxes", suppress_across_tags),
    ("grid", swap_colours),
    ("grid", swap_rows_and_columns),
    ("grid", take_other_anchors),
    ("grid", forget_order),
)


def photos_of(detector: SmallDetector) -> BoxPhotos:
    card = load_card(detector.bundle)
    return box_photos(load_box_reference(detector.bundle), card, detector.records, detector.root, 8)


def prove(opened: AbstractContextManager[OpenedDetector], detector: SmallDetector) -> None:
    card = load_card(detector.bundle)
    with opened as file:
        require_boxes(
            compare_boxes(photos_of(detector), file, card, LIMITS["float32"]), LIMITS["float32"], "It"
        )


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize(
    ("output", "fault"), FAULTS, ids=[f"{output}: {fault.__name__}" for output, fault in FAULTS]
)
def test_wrong_files_are_caught(
    detectors: dict[Output, SmallDetector],
    kept: Path,
    tmp_path: Path,
    name: str,
    output: Output,
    fault: Fault,
) -> None:
    detector = detectors[output]
    source = detector.source(kept)
    graph = frozen_graph(source, source.card.channels)
    faulty = type(graph.definition)()
    faulty.CopyFrom(graph.definition)
    fault(faulty)
    WRITERS[name](tmp_path, replace(graph, definition=faulty), source.card)
    add_companions(tmp_path, by_name(name), source.card)
    opener: DetectorPort = by_name(name).load_port()  # type: ignore[assignment]
    caught = "does not find what the trained detector finds|boxes of positive size"
    with pytest.raises(VerificationError, match=caught):
        prove(opener.opened_detector(tmp_path), detector)


def lay(folder: Path, made: Path) -> Path:
    """A copy of an export's files that may be changed."""
    for part in made.rglob("*"):
        if part.is_file():
            (folder / part.relative_to(made)).parent.mkdir(parents=True, exist_ok=True)
            (folder / part.relative_to(made)).write_bytes(part.read_bytes())
    return folder


@pytest.mark.parametrize(
    ("name", "file", "message"),
    [
        ("litert", "metadata_properties.json", "with the properties of the model"),
        ("litert", "labels.txt", "expected the same in the same order"),
        ("litert", "model.tflite", "not a zip file"),
        ("tensorflow", "metadata_properties.json", "with the properties of the model"),
        ("tensorflow", "model.pb", "cannot load model.pb"),
        ("tensorflow-saved-model", "metadata_properties.json", "with the properties of the model"),
        ("tensorflow-saved-model", "saved_model.pb", "cannot load"),
    ],
)
def test_damaged_files_are_refused(
    exported: Written, tmp_path: Path, name: str, file: str, message: str
) -> None:
    folder = lay(tmp_path, exported("boxes", name))
    (folder / file).write_bytes((folder / file).read_bytes()[:-3])
    opener = litert.opened_detector if name == "litert" else port.opened_detector
    with pytest.raises(VerificationError, match=message), opener(folder):
        pass


def test_a_classifier_is_no_detector(source: Source, tmp_path: Path) -> None:
    port.write(tmp_path, source, "frozen")
    add_companions(tmp_path, by_name("tensorflow"), source.card)
    with port.opened_detector(tmp_path) as opened, pytest.raises(VerificationError, match="to answer a grid"):
        opened.find(np.zeros((1, 3, opened.size, opened.size), np.float32))


def test_boxes_are_no_probabilities(exported: Written) -> None:
    for opener, name in ((port.opened, "tensorflow"), (litert.opened, "litert")):
        with (
            opener(exported("boxes", name)) as opened,
            pytest.raises(VerificationError, match=r"it answers detected_boxes, .* no model_outputs"),
        ):
            opened.run(np.zeros((1, 3, SIZE, SIZE), np.float32))


def test_the_same_detector_gives_the_same_files(
    detectors: dict[Output, SmallDetector], exported: Written, kept: Path, tmp_path: Path
) -> None:
    source = detectors["boxes"].source(kept)
    port.write(tmp_path, source, "frozen")
    litert.write(tmp_path, source, "float16")
    for name, file in (("tensorflow", "model.pb"), ("litert-float16", "model.tflite")):
        assert (exported("boxes", name) / file).read_bytes() == (tmp_path / file).read_bytes()
        assert b"site-packages" not in (tmp_path / file).read_bytes()


def test_the_second_form_needs_no_torch(
    detectors: dict[Output, SmallDetector], exported: Written, kept: Path, tmp_path: Path
) -> None:
    exported("grid", "tensorflow")

    def detector(_: Source) -> None:
        raise AssertionError("the graph is kept")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Source, "detector", detector)
        litert.write(tmp_path, detectors["grid"].source(kept), "float32")
