"""Exports that compute something else, or cannot be written, are refused; what was there stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_exports import download, export, target

from dahlia import layout
from dahlia.errors import DahliaError, VerificationError
from dahlia.export import artifacts
from dahlia.export.artifacts import export_inputs, write_export
from dahlia.export.formats import by_name
from dahlia.export.onnx import port
from dahlia.export.port import LABELS, Source
from small_projects import SmallProject

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported_once")]
Fault = Callable[[onnx.ModelProto], None]


def initialiser(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(part for part in proto.graph.initializer if part.name == name)


def change(name: str, by: Callable[[np.ndarray], np.ndarray]) -> Fault:
    def fault(proto: onnx.ModelProto) -> None:
        tensor = initialiser(proto, name)
        tensor.CopyFrom(numpy_helper.from_array(by(numpy_helper.to_array(tensor)).astype(np.float32), name))

    return fault


def swap_channels(proto: onnx.ModelProto) -> None:
    weights = (node.input[1] for node in proto.graph.node if node.op_type == "Conv")
    stem = next(name for name in weights if initialiser(proto, name).dims[1] == 3)
    change(stem, lambda weight: weight[:, ::-1])(proto)


def forget_scale(proto: onnx.ModelProto) -> None:
    divide = next(node for node in proto.graph.node if node.op_type == "Div")
    change(divide.input[1], np.ones_like)(proto)


def forget_softmax(proto: onnx.ModelProto) -> None:
    node = next(node for node in proto.graph.node if node.op_type == "Softmax")
    node.op_type = "Sigmoid"
    del node.attribute[:]


def swap_tags(proto: onnx.ModelProto) -> None:
    change("head.weight", lambda weight: weight[[1, 0, 2]])(proto)


def drop_a_tag(proto: onnx.ModelProto) -> None:
    change("head.weight", lambda weight: weight[:2])(proto)
    change("head.bias", lambda bias: bias[:2])(proto)
    proto.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2


FAULTS: dict[str, tuple[Fault, str]] = {
    "swapped channels": (swap_channels, r"does not compute .* most on data/images/"),
    "missing scale": (forget_scale, r"does not compute .* most on data/images/"),
    "transposed weight": (
        change("head.weight", lambda weight: weight.ravel().reshape(weight.T.shape).T),
        r"does not compute .* most on data/images/",
    ),
    "another temperature": (change("head.weight", lambda w: w * 1.01), "differ by up to 0.0"),
    "no softmax": (forget_softmax, "does not compute"),
    "swapped tags": (swap_tags, "differ by up to "),
    "NaN": (change("head.bias", lambda bias: bias * np.nan), "contradicts itself: .*nan"),
}


def faulty(monkeypatch: pytest.MonkeyPatch, fault: Callable[[Path], object]) -> None:
    """Let the port write what a fault of its own would."""
    write = port.write

    def write_faulty(folder: Path, source: Source, flavour: str) -> None:
        write(folder, source, flavour)
        fault(folder)

    monkeypatch.setattr(port, "write", write_faulty)


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_refused_and_nothing_is_written(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, fault: Fault, message: str, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in target(trained).iterdir()}

    def plant(folder: Path) -> None:
        proto = onnx.load(folder / "model.onnx")
        fault(proto)
        onnx.save(proto, folder / "model.onnx")

    faulty(monkeypatch, plant)
    with pytest.raises(VerificationError, match=message):
        export(trained)
    assert {path.name: path.read_bytes() for path in target(trained).iterdir()} == before
    assert [path.name for path in target(trained).parent.iterdir()] == ["onnx"]
    with pytest.raises(VerificationError, match=message):
        download(trained, tmp_path / "out" / "some.zip")
    assert list((tmp_path / "out").iterdir()) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize(
    "damage", [cut, Path.unlink, lambda path: path.write_bytes(b"")], ids=["cut", "gone", "empty"]
)
def test_damaged_files_are_refused(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], object]
) -> None:
    faulty(monkeypatch, lambda folder: damage(folder / "model.onnx"))
    with pytest.raises(VerificationError, match=r"cannot load model\.onnx"):
        export(trained)


def test_stale_labels_are_refused(trained: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    companions = artifacts.add_companions

    def stale(folder: Path, *rest: object) -> None:
        companions(folder, *rest)  # type: ignore[arg-type]
        (folder / LABELS).write_text("blue\nred\ngreen")

    monkeypatch.setattr(artifacts, "add_companions", stale)
    inputs = export_inputs(trained.root / layout.BUNDLE, trained.records, trained.root)
    with pytest.raises(VerificationError, match=r"blue, red, green; the trained model has blue, green, red"):
        write_export(by_name("openvino"), target(trained), inputs, trained.params.export)


def test_a_full_disk_leaves_nothing(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = {path.name: path.read_bytes() for path in target(trained).iterdir()}

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    faulty(monkeypatch, full)
    with pytest.raises(
        DahliaError, match=r"could not be written: No space left .*what was there before is unch"
    ):
        export(trained)
    assert {path.name: path.read_bytes() for path in target(trained).iterdir()} == before
    with pytest.raises(DahliaError, match="No space left"):
        download(trained, tmp_path / "some.zip")
    assert not (tmp_path / "some.zip").exists()
