"""ONNX at three precisions: what is written, opened, refused, and said of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from readme_lines import TAGS, check_python

from dahlia.errors import ExportError, TrainingError, VerificationError
from dahlia.export.onnx import port
from dahlia.export.onnx.graph import FILE_NAME
from dahlia.export.port import Batch, Source, write_labels
from dahlia.modeling.backbone_graph import OPSET
from dahlia.modeling.card import ModelCard, save_card
from small_projects import REPOSITORY, SIZE

pytestmark = pytest.mark.slow

FLAVOURS = ("float32", "float16", "int8")
ALLOWED = {"float32": 1e-5, "float16": 5e-3, "int8": 0.1}
Fault = Callable[[onnx.ModelProto], object]


def written(folder: Path, source: Source, flavour: str = "float32") -> Path:
    folder.mkdir()
    port.write(folder, source, flavour)
    write_labels(folder, source.card)
    return folder


def with_card(source: Source, **changes: object) -> Source:
    card = source.card.model_copy(update=changes)
    save_card(source.bundle, card)
    return replace(source, card=card)


def ran(folder: Path, pixels: Batch) -> Batch:
    with port.opened(folder) as opened:
        return opened.run(pixels)


@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_it_says_what_was_trained(
    tmp_path: Path, source: Source, pixels: Batch, flavour: str, classification: str
) -> None:
    import torch

    source = with_card(source, classification=classification)
    with torch.inference_mode():
        answers = source.module()(torch.from_numpy(pixels)).numpy()
    folder = written(tmp_path / "out", source, flavour)
    with port.opened(folder) as opened:
        assert np.abs(opened.run(pixels) - answers).max() <= ALLOWED[flavour]
        assert np.abs(opened.run(pixels[:1]) - answers[:1]).max() <= ALLOWED[flavour]
        assert np.abs(opened.run(pixels[:, ::-1]) - answers).max() > 0.2
        assert opened.labels == TAGS
        assert opened.runtime == f"ONNX Runtime {onnxruntime.__version__}"


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_pixels_are_smoothed_first(
    tmp_path: Path, source: Source, pixels: Batch, flavour: str, smoothing: float
) -> None:
    import torch

    update = {"smoothing": smoothing, "fingerprint": f"{int(smoothing * 10)}0" * 32}
    backbone = source.card.backbone.model_copy(update=update)
    source = with_card(source, backbone=backbone)
    with torch.inference_mode():
        smoothed = source.module()(torch.from_numpy(pixels)).numpy()
    assert (
        np.abs(ran(written(tmp_path / "out", source, flavour), pixels) - smoothed).max() <= ALLOWED[flavour]
    )


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize(("channels", "order"), [("BGR", "Bgr8"), ("RGB", "Rgb8")])
def test_the_graph_is_the_documented_one(
    tmp_path: Path, source: Source, flavour: str, channels: str, order: str
) -> None:
    source = with_card(source, channels=channels)
    proto = onnx.load(written(tmp_path / "out", source, flavour) / FILE_NAME)
    assert [one.name for one in proto.graph.input] == ["data"]
    assert [one.name for one in proto.graph.output] == ["model_output", "classLabel", "loss"]
    given, answered = (
        [dim.dim_param or dim.dim_value for dim in one.type.tensor_type.shape.dim]
        for one in (proto.graph.input[0], proto.graph.output[0])
    )
    assert given == [answered[0], 3, SIZE, SIZE]
    assert isinstance(answered[0], str)
    assert answered[1] == 3
    floats = {
        proto.graph.input[0].type.tensor_type.elem_type,
        proto.graph.output[0].type.tensor_type.elem_type,
    }
    assert floats == {onnx.TensorProto.FLOAT}
    assert {one.domain: one.version for one in proto.opset_import} == {"": OPSET, "ai.onnx.ml": 3}
    assert proto.ir_version == 9
    assert {prop.key: prop.value for prop in proto.metadata_props} == {
        "Image.BitmapPixelFormat": order,
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.ColorSpaceGamma": "SRGB",
        "dahlia.tags": "blue\ngreen\nred",
        "dahlia.domain": source.card.domain,
        "dahlia.version": source.card.dahlia_version,
    }


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_clients_of_compact_models_find_what_they_read(
    tmp_path: Path, source: Source, pixels: Batch, flavour: str
) -> None:
    """As Custom Vision's sample for ONNX does: colours by the metadata, then `classLabel` and `loss`."""
    path = written(tmp_path / "out", source, flavour) / FILE_NAME
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    properties = session.get_modelmeta().custom_metadata_map
    assert properties["Image.BitmapPixelFormat"] == "Bgr8"
    assert properties["Image.NominalPixelRange"] == "NominalRange_0_255"
    data = np.ascontiguousarray(pixels[:, ::-1])
    rows, labels, scores = session.run(["model_output", "classLabel", "loss"], {"data": data})
    assert list(labels) == [TAGS[column] for column in rows.argmax(1)]
    assert scores == [dict(zip(TAGS, row.tolist(), strict=True)) for row in rows]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_model_gives_the_same_file(
    tmp_path: Path, source: Source, flavour: str, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = (written(tmp_path / name, source, flavour) / FILE_NAME for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    for word in ("site-packages", "stack_trace", f"{Path.home()}/", f"{REPOSITORY}/", str(tmp_path)):
        assert word.encode() not in first.read_bytes()
    assert capfd.readouterr() == ("", "")


def test_smaller_precisions_are_smaller(tmp_path: Path, source: Source) -> None:
    size = {}
    for flavour in FLAVOURS:
        proto = onnx.load(written(tmp_path / flavour, source, flavour) / FILE_NAME)
        size[flavour] = sum(numpy_helper.to_array(one).nbytes for one in proto.graph.initializer if one.dims)
    assert size["float16"] <= 0.52 * size["float32"]
    assert size["int8"] <= 0.35 * size["float32"]


SCRIPT = """
import pathlib, sys
import numpy as np
from dahlia.export.onnx import port
from dahlia.export.port import Source
from dahlia.modeling.card import load_card

bundle, cache, folder = map(pathlib.Path, sys.argv[1:])
card = load_card(bundle)
photos = np.random.default_rng(0).integers(0, 255, (10, card.input.size, card.input.size, 3), np.uint8)
for flavour in ("float32", "float16", "int8"):
    (folder / flavour).mkdir(parents=True)
    port.write(folder / flavour, Source(bundle, card, cache, lambda: list(photos)), flavour)
    with port.opened(folder / flavour) as opened:
        opened.run(np.zeros((1, 3, card.input.size, card.input.size), np.float32))
print(*(name for name in ("torch", "timm", "lightning") if name in sys.modules))
"""


def test_another_head_needs_no_torch_and_no_process_leaves_a_trace(tmp_path: Path, source: Source) -> None:
    written(tmp_path / "out", source)
    files = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(source.bundle), str(source.cache), str(folder)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert (ended.stdout, ended.stderr) == ("\n", "")
        files.append([path.read_bytes() for path in sorted(folder.rglob("*.onnx"))])
    assert len(files[0]) == 3
    assert files[0] == files[1]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"garbage"),
        lambda path: path.unlink(),
        lambda path: changed(path, lambda proto: setattr(proto.opset_import[0], "version", 9999)),
        lambda path: changed(path, lambda proto: setattr(proto.graph.node[3], "op_type", "Strange")),
    ],
    ids=["cut", "one byte less", "empty", "garbage", "gone", "opset", "operation"],
)
def test_files_that_the_runtime_cannot_load(
    tmp_path: Path, source: Source, damage: Callable[[Path], object], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path / "out", source)
    damage(folder / FILE_NAME)
    with (
        pytest.raises(VerificationError, match=r"ONNX Runtime .* cannot load model\.onnx: .*Export again"),
        port.opened(folder),
    ):
        pass
    assert capfd.readouterr() == ("", "")


def changed(path: Path, fault: Fault) -> None:
    proto = onnx.load(path)
    fault(proto)
    onnx.save(proto, path)


def test_pixels_of_another_size(tmp_path: Path, source: Source, capfd: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "out", source)
    with pytest.raises(VerificationError, match=r"cannot run model\.onnx"):
        ran(folder, np.zeros((1, 3, SIZE + 1, SIZE), np.float32))
    assert capfd.readouterr() == ("", "")


def of_property(key: str, value: str) -> Fault:
    def fault(proto: onnx.ModelProto) -> None:
        next(prop for prop in proto.metadata_props if prop.key == key).value = value

    return fault


def of_constant(name: str, change: Callable[[Batch], Batch]) -> Fault:
    def fault(proto: onnx.ModelProto) -> None:
        (tensor,) = (one for one in proto.graph.initializer if one.name == name)
        values = np.ascontiguousarray(change(numpy_helper.to_array(tensor)))
        tensor.CopyFrom(numpy_helper.from_array(values, name))

    return fault


FAULTS: dict[str, Fault] = {
    "channels": of_property("Image.BitmapPixelFormat", "Rgb8"),
    "range": of_property("Image.NominalPixelRange", "Normalized_0_1"),
    "normalisation": of_constant("mean", lambda values: values * 0 + 1),
    "weight": of_constant("head.weight", lambda values: values[::-1]),
    "transposed": of_constant("head.weight", lambda values: values.T.reshape(values.shape)),
    "bias": of_constant("head.bias", lambda values: values + np.float32([0.1, 0, 0])),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_faults_are_seen(tmp_path: Path, source: Source, pixels: Batch, answers: Batch, fault: Fault) -> None:
    folder = written(tmp_path / "out", source)
    changed(folder / FILE_NAME, fault)
    assert np.abs(ran(folder, pixels) - answers).max() > 1e-4


def _stale_labels(proto: onnx.ModelProto) -> None:
    (tensor,) = (one for one in proto.graph.initializer if one.name == "tags")
    tensor.string_data[:] = [b"blue", b"red", b"green"]


def _stale_scores(proto: onnx.ModelProto) -> None:
    proto.graph.node[-1].attribute[0].strings[:] = [b"green", b"blue", b"red"]


def _two_labels(proto: onnx.ModelProto) -> None:
    (tensor,) = (one for one in proto.graph.initializer if one.name == "tags")
    tensor.string_data[:] = [b"blue", b"green"]
    tensor.dims[:] = [2]


@pytest.mark.parametrize("fault", [_stale_labels, _stale_scores, _two_labels])
def test_labels_that_contradict_each_other(tmp_path: Path, source: Source, fault: Fault) -> None:
    folder = written(tmp_path / "out", source)
    changed(folder / FILE_NAME, fault)
    with pytest.raises(VerificationError, match=r"contradicts itself|cannot run"), port.opened(folder):
        pass


def test_labels_come_from_the_file(tmp_path: Path, source: Source) -> None:
    folder = written(tmp_path / "out", source)
    (folder / "labels.txt").unlink()
    with port.opened(folder) as opened:
        assert opened.labels == TAGS


@pytest.mark.parametrize("name", ["Größe 🌼", 'a "b"', "a\\b"])
def test_tags_of_any_letters(tmp_path: Path, source: Source, name: str) -> None:
    tags = tuple(tag.model_copy(update={"name": f"{name} {tag.name}"}) for tag in source.card.tags)
    with port.opened(written(tmp_path / "out", with_card(source, tags=tags))) as opened:
        assert opened.labels == tuple(tag.name for tag in tags)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_bundle_without_weights(tmp_path: Path, source: Source, flavour: str) -> None:
    (source.bundle / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match=r"model\.safetensors could not be read.*dvc repro train"):
        port.write(tmp_path, source, flavour)


def test_ranges_need_photos(tmp_path: Path, source: Source) -> None:
    with pytest.raises(ExportError, match=r"received none.*Add photos"):
        port.write(tmp_path, replace(source, photos=list), "int8")
    assert list(tmp_path.glob("*.onnx")) == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the lines leave the closing of files to Python
@pytest.mark.parametrize("channels", ["BGR", "RGB"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_lines_of_the_readme_run(
    tmp_path: Path, source: Source, capsys: pytest.CaptureFixture[str], flavour: str, channels: str
) -> None:
    source = with_card(source, channels=channels)
    folder = written(tmp_path / "out", source, flavour)
    check_python(port.usage(source.card, flavour).lines, folder, port.opened, 1e-5, capsys)


def test_usage_names_the_colours(source: Source) -> None:
    def notes(card: ModelCard) -> str:
        return " ".join(port.usage(card, "float32").notes)

    assert "BGR, 0 to 255" in notes(source.card)
    assert "RGB, 0 to 255" in notes(source.card.model_copy(update={"channels": "RGB"}))
