"""Exports: proven, whole, and refused as soon as they compute something else."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from dahlia import layout
from dahlia.dataset.imaging import load, to_tensor_layout
from dahlia.errors import DatasetError, ExportError, TrainingError, VerificationError
from dahlia.export import artefacts, backbone_graph
from dahlia.export.artefacts import export_onnx, onnx_runner
from dahlia.export.verify import Comparison
from dahlia.modeling.bundle import load_bundle
from dahlia.modeling.card import load_card
from small_projects import REPOSITORY, SIZE, SmallProject

Fault = Callable[[onnx.ModelProto], None]


@pytest.fixture(scope="session", autouse=True)
def _graph_is_kept(trained_once: SmallProject) -> None:
    export(trained_once)


def export(project: SmallProject) -> Comparison:
    return export_onnx(
        project.root / layout.EXPORTS / "onnx",
        project.root / layout.BUNDLE,
        project.records,
        project.root,
        project.params.export,
    )


def target(project: SmallProject) -> Path:
    return project.root / layout.EXPORTS / "onnx"


def pixels(project: SmallProject) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return to_tensor_layout([load((project.root / r.path).read_bytes(), SIZE) for r in project.records])


def test_what_an_export_holds(trained: SmallProject) -> None:
    comparison = export(trained)
    folder = target(trained)
    assert sorted(path.name for path in folder.iterdir()) == [
        "labels.txt",
        "model.json",
        "model.onnx",
        "verification.json",
    ]
    assert (folder / "labels.txt").read_bytes() == b"blue\ngreen\nred"
    assert load_card(folder) == load_card(trained.root / layout.BUNDLE)
    proof = json.loads((folder / "verification.json").read_text())
    assert proof["images"] == comparison.images == 36
    assert proof["largest_difference"] == comparison.largest <= proof["limit"] == 1e-4
    assert proof["top_tag_agreement"] == 1
    assert proof["bytes"] == (folder / "model.onnx").stat().st_size
    assert set(proof["versions"]) >= {"torch", "onnxruntime"}


def test_the_file_computes_what_the_module_computes(trained: SmallProject) -> None:
    import torch

    model, _ = load_bundle(trained.root / layout.BUNDLE)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels(trained))).numpy()
    received = onnx_runner(target(trained) / "model.onnx")(pixels(trained))
    np.testing.assert_allclose(received, expected, atol=1e-5)


def test_a_batch_says_what_its_images_say(trained: SmallProject) -> None:
    run = onnx_runner(target(trained) / "model.onnx")
    batch = pixels(trained)[:5]
    single = np.concatenate([run(image[None]) for image in batch])
    np.testing.assert_allclose(run(batch), single, atol=1e-6)
    assert run(batch).shape == (5, 3)
    np.testing.assert_allclose(run(batch).sum(1), 1, rtol=1e-5)


def test_the_graph_is_the_documented_one(trained: SmallProject) -> None:
    proto = onnx.load(target(trained) / "model.onnx")
    (data,), (answer,) = proto.graph.input, proto.graph.output
    assert (data.name, answer.name) == ("data", "model_output")
    batch, *shape = data.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [dim.dim_value for dim in shape] == [3, SIZE, SIZE]
    assert answer.type.tensor_type.shape.dim[0].dim_param == batch.dim_param
    assert answer.type.tensor_type.shape.dim[1].dim_value == 3
    assert {prop.key: prop.value for prop in proto.metadata_props} == {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.ColorSpaceGamma": "SRGB",
        "dahlia.tags": "blue\ngreen\nred",
        "dahlia.domain": "General (compact)",
        "dahlia.version": load_card(target(trained)).dahlia_version,
    }


def test_a_file_tells_nothing_of_where_it_was_made(trained: SmallProject) -> None:
    for path in (*target(trained).iterdir(), *(trained.root / layout.GRAPH_CACHE).iterdir()):
        for word in ("site-packages", "stack_trace", f"{Path.home()}/", f"{REPOSITORY}/"):
            assert word.encode() not in path.read_bytes(), path.name


def test_exporting_again_gives_the_same_file(trained: SmallProject) -> None:
    before = (target(trained) / "model.onnx").read_bytes()
    export(trained)
    assert (target(trained) / "model.onnx").read_bytes() == before
    for graph in (trained.root / layout.GRAPH_CACHE).iterdir():
        graph.unlink()
    export(trained)
    assert (target(trained) / "model.onnx").read_bytes() == before


def test_another_head_needs_no_torch(trained: SmallProject, tmp_path: Path) -> None:
    script = (
        "import pathlib, sys; from dahlia.export.artefacts import export_onnx\n"
        "from dahlia.config import load_params; from dahlia.dataset.manifest import load_manifest\n"
        "root = pathlib.Path(); params = load_params()\n"
        "export_onnx(root / 'exports/onnx', root / 'models/bundle',"
        " load_manifest(root / 'data/dataset/manifest.parquet'), root, params.export)\n"
        "print(*(name for name in ('torch', 'timm', 'lightning') if name in sys.modules))"
    )
    import yaml

    (trained.root / "params.yaml").write_text(yaml.safe_dump(trained.params.model_dump(by_alias=True)))
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=trained.root, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == ""


def initialiser(proto: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(part for part in proto.graph.initializer if part.name == name)


def change(name: str, by: Callable[[np.ndarray], np.ndarray]) -> Fault:
    def fault(proto: onnx.ModelProto) -> None:
        tensor = initialiser(proto, name)
        tensor.CopyFrom(numpy_helper.from_array(by(numpy_helper.to_array(tensor)).astype(np.float32), name))

    return fault


def swap_channels(proto: onnx.ModelProto) -> None:
    stem = next(node for node in proto.graph.node if node.op_type == "Conv").input[1]
    change(stem, lambda weight: weight[:, ::-1])(proto)


def forget_scale(proto: onnx.ModelProto) -> None:
    divide = next(node for node in proto.graph.node if node.op_type == "Div")
    change(divide.input[1], np.ones_like)(proto)


def forget_softmax(proto: onnx.ModelProto) -> None:
    node = proto.graph.node[-1]
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
    "NaN": (change("head.bias", lambda bias: bias * np.nan), r"differ by up to inf, most on data/images/"),
    "a tag less": (drop_a_tag, r"answers with shape \(36, 2\), the trained model with \(36, 3\)"),
}


@pytest.mark.parametrize(("fault", "message"), FAULTS.values(), ids=FAULTS)
def test_faults_are_refused_and_nothing_is_written(
    trained: SmallProject, monkeypatch: pytest.MonkeyPatch, fault: Fault, message: str
) -> None:
    before = {path.name: path.read_bytes() for path in target(trained).iterdir()}
    write = artefacts.write_onnx

    def write_faulty(path: Path, *rest: object) -> None:
        write(path, *rest)  # type: ignore[arg-type]
        proto = onnx.load(path)
        fault(proto)
        onnx.save(proto, path)

    monkeypatch.setattr(artefacts, "write_onnx", write_faulty)
    with pytest.raises(VerificationError, match=message):
        export(trained)
    assert {path.name: path.read_bytes() for path in target(trained).iterdir()} == before
    assert [path.name for path in target(trained).parent.iterdir()] == ["onnx"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:5000]), "cannot load model.onnx"),
        (lambda path: path.write_bytes(b""), "cannot load model.onnx"),
        (lambda path: path.write_bytes(b"garbage"), "cannot load model.onnx"),
        (lambda path: path.unlink(), "cannot load model.onnx"),
    ],
    ids=["cut", "empty", "garbage", "gone"],
)
def test_files_that_the_runtime_cannot_load(
    trained: SmallProject, damage: Callable[[Path], object], message: str
) -> None:
    path = target(trained) / "model.onnx"
    damage(path)
    with pytest.raises(VerificationError, match=message):
        onnx_runner(path)


def test_an_operator_set_that_the_runtime_does_not_know(trained: SmallProject) -> None:
    path = target(trained) / "model.onnx"
    proto = onnx.load(path)
    proto.opset_import[0].version = 9999
    onnx.save(proto, path)
    with pytest.raises(VerificationError, match=r"(?s)cannot load model\.onnx: .*Lower `export.opset`"):
        onnx_runner(path)


def test_pixels_of_another_size_are_an_error_of_ours(trained: SmallProject) -> None:
    run = onnx_runner(target(trained) / "model.onnx")
    with pytest.raises(VerificationError, match=r"cannot run model\.onnx"):
        run(np.zeros((1, 3, SIZE + 1, SIZE), np.float32))


def test_a_kept_graph_that_is_damaged_is_named(trained: SmallProject) -> None:
    (graph,) = (trained.root / layout.GRAPH_CACHE).iterdir()
    graph.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ExportError, match=rf"{graph.name} is damaged .*Delete the file"):
        export(trained)


def test_a_network_that_has_no_onnx_form(trained: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def fail(*_: object, **__: object) -> None:
        raise torch.onnx.errors.UnsupportedOperatorError("aten::strange", 20, None)

    monkeypatch.setattr(torch.onnx, "export", fail)
    card = load_card(trained.root / layout.BUNDLE)
    with pytest.raises(ExportError, match=r"test_resnet cannot be written as ONNX.*Choose another backbone"):
        backbone_graph.backbone_graph(trained.root / layout.BUNDLE, card, 18, trained.root / "graphs")
    assert list((trained.root / "graphs").iterdir()) == []


@pytest.mark.parametrize("limit", [1, 7])
def test_some_images_are_enough(trained: SmallProject, limit: int) -> None:
    params = trained.params.export.model_copy(update={"verification_images": limit})
    bundle = trained.root / layout.BUNDLE
    assert export_onnx(target(trained), bundle, trained.records, trained.root, params).images == limit


def _lose(project: SmallProject) -> None:
    (project.root / project.records[0].path).unlink()


def _replace(project: SmallProject) -> None:
    (project.root / project.records[0].path).write_bytes(
        (project.root / project.records[1].path).read_bytes()
    )


def _forget(project: SmallProject) -> None:
    del project.records[0]


@pytest.mark.parametrize(
    ("mishap", "message"),
    [
        (_lose, r"000\.jpg could be read by ingest and cannot be now"),
        (_replace, r"000\.jpg is not the photo that it was"),
        (_forget, "is not in the manifest any more"),
    ],
)
def test_photos_that_are_not_there(
    trained: SmallProject, mishap: Callable[[SmallProject], None], message: str
) -> None:
    mishap(trained)
    with pytest.raises((DatasetError, VerificationError), match=message):
        export(trained)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("model.json", TrainingError),
        ("model.safetensors", TrainingError),
        ("reference.parquet", DatasetError),
    ],
)
def test_bundles_that_are_not_whole(trained: SmallProject, name: str, error: type[Exception]) -> None:
    (trained.root / layout.BUNDLE / name).unlink()
    with pytest.raises(error, match="dvc repro train"):
        export(trained)


@pytest.mark.parametrize("architecture", ["test_byobnet", "test_efficientnet", "test_convnext"])
@pytest.mark.parametrize("classification", ["multiclass", "multilabel"])
@pytest.mark.slow
def test_other_networks_pass_the_proof(
    project: SmallProject, architecture: str, classification: str, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    from dahlia.modeling.backbones import Backbone
    from dahlia.stages import train

    torch.manual_seed(0)
    save_file(Backbone(architecture, None).network.state_dict(), tmp_path / "other.safetensors")
    backbone = project.params.domain.backbone.model_copy(
        update={"architecture": architecture, "weights": str(tmp_path / "other.safetensors")}
    )
    domain = project.params.domain.model_copy(update={"backbone": backbone})
    kind = project.params.project.model_copy(update={"classification": classification})
    project.params = project.params.model_copy(update={"domain": domain, "project": kind})
    train.run(project.params, project.root)
    assert export(project).largest < 1e-4
