"""Exports: proven, whole, and refused as soon as they compute something else."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from filelock import FileLock
from onnx import numpy_helper

from dahlia import layout
from dahlia.errors import DahliaError, DatasetError, ExportError, TrainingError, VerificationError
from dahlia.export import artefacts
from dahlia.export.artefacts import Proof, require_allowed, subject_of, write_download, write_export
from dahlia.export.conventions import LABELS
from dahlia.export.formats import by_name
from dahlia.export.onnx import port
from dahlia.export.source import Source
from dahlia.modeling.card import load_card
from small_projects import REPOSITORY, SmallProject

Fault = Callable[[onnx.ModelProto], None]
ONNX = by_name("onnx")
ITERATION = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture(scope="session", autouse=True)
def _graph_is_kept(trained_once: SmallProject) -> None:
    export(trained_once)


def export(project: SmallProject) -> Proof:
    subject = subject_of(project.root / layout.BUNDLE, project.records, project.root)
    return write_export(ONNX, target(project), subject, project.params.export)


def download(project: SmallProject, path: Path) -> Proof:
    subject = subject_of(project.root / layout.BUNDLE, project.records, project.root)
    return write_download(ONNX, path, subject, project.params.export, ITERATION)


def target(project: SmallProject) -> Path:
    return project.root / layout.EXPORTS / "onnx"


def test_what_an_export_holds(trained: SmallProject) -> None:
    proof = export(trained)
    folder = target(trained)
    assert sorted(path.name for path in folder.iterdir()) == [
        "LICENSE",
        "README.md",
        "labels.txt",
        "metadata_properties.json",
        "model.json",
        "model.onnx",
        "verification.json",
    ]
    assert (folder / "labels.txt").read_bytes() == b"blue\ngreen\nred"
    assert load_card(folder) == load_card(trained.root / layout.BUNDLE)
    document = json.loads((folder / "verification.json").read_text())
    assert document == proof.document(ONNX)
    assert document["images"] == 36
    assert document["largest_difference"] <= document["limit"]["difference"] == 1e-4
    assert document["top_tag_agreement"] == 1
    assert document["accuracy"]["trained_model"] == document["accuracy"]["artefact"]
    assert document["accuracy"]["of"] == "photos trained on"
    assert document["runtime"].startswith("ONNX Runtime ")
    assert set(document["versions"]) == {"dahlia", "torch", "onnx", "onnxruntime"}


def test_a_test_set_is_what_accuracy_is_of(trained: SmallProject) -> None:
    from dahlia.stages import train

    trained.plant(test=True, red=3, blue=4)
    train.run(trained.params, trained.root)
    judged = export(trained).document(ONNX)["accuracy"]
    assert judged["images"] == 7  # type: ignore[index]
    assert judged["of"] == "test photos"  # type: ignore[index]


def test_what_a_download_holds(trained: SmallProject, tmp_path: Path) -> None:
    path = tmp_path / "out" / "garden-1-onnx.zip"
    proof = download(trained, path)
    with zipfile.ZipFile(path) as packed:
        assert packed.testzip() is None
        assert sorted(packed.namelist()) == [
            "LICENSE",
            "README.md",
            "cvexport.manifest",
            "labels.txt",
            "metadata_properties.json",
            "model.json",
            "model.onnx",
            "verification.json",
        ]
        manifest = json.loads(packed.read("cvexport.manifest"))
        model, said = packed.read("model.onnx"), json.loads(packed.read("verification.json"))
    assert said == proof.document(ONNX) == json.loads(path.with_suffix(".verification.json").read_text())
    assert manifest.pop("ExportedDate").endswith("0Z")
    assert manifest == {
        "DomainType": "Classification",
        "Platform": "ONNX",
        "Flavor": None,
        "ExporterVersion": "2.0",
        "IterationId": ITERATION,
        "ModelFileName": "model.onnx",
        "LabelFileName": "labels.txt",
        "MetadataPropsFileName": "metadata_properties.json",
        "ModelFileSHA1": hashlib.sha1(model).hexdigest(),
        "SchemaVersion": "1.0",
    }


def test_the_readme_runs(trained: SmallProject) -> None:
    export(trained)
    folder = target(trained)
    photo = trained.root / trained.records[0].path
    (folder / "photo.jpg").write_bytes(photo.read_bytes())
    text = (folder / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    tag, probability = said.stdout.split()
    subject = subject_of(trained.root / layout.BUNDLE, trained.records, trained.root)
    album = subject.album(36)
    row = album.paths.index(trained.records[0].path)
    assert tag == trained.records[0].tags[0]
    assert float(probability) == pytest.approx(album.expected[row].max(), abs=1e-4)


def test_a_file_tells_nothing_of_where_it_was_made(trained: SmallProject) -> None:
    files = [*target(trained).iterdir(), *(trained.root / layout.GRAPH_CACHE).iterdir()]
    for path in files:
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


def test_another_head_needs_no_torch(trained: SmallProject) -> None:
    script = (
        "import pathlib, sys; from dahlia.stages import export; from dahlia.config import load_params\n"
        "export.run(load_params(), pathlib.Path(), 'onnx')\n"
        "print(*(name for name in ('torch', 'timm', 'lightning', 'tensorflow') if name in sys.modules))"
    )
    import yaml

    (trained.root / "params.yaml").write_text(yaml.safe_dump(trained.params.model_dump(by_alias=True)))
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=trained.root, capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == ""


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
    companions = artefacts.add_companions

    def stale(folder: Path, *rest: object) -> None:
        companions(folder, *rest)  # type: ignore[arg-type]
        (folder / LABELS).write_text("blue\nred\ngreen")

    monkeypatch.setattr(artefacts, "add_companions", stale)
    subject = subject_of(trained.root / layout.BUNDLE, trained.records, trained.root)
    with pytest.raises(VerificationError, match=r"blue, red, green; the trained model has blue, green, red"):
        write_export(by_name("openvino"), target(trained), subject, trained.params.export)


def test_the_same_export_twice_at_once(trained: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        locked: list[FileLock] = []
        patch.setattr(artefacts, "FileLock", lambda path: locked.append(FileLock(path)) or locked[-1])
        export(trained)
    other = FileLock(locked[0].lock_file)
    with other, pytest.raises(ExportError, match=r"onnx is being exported to .*onnx by another process"):
        export(trained)
    assert export(trained).comparison.images == 36


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


@pytest.mark.parametrize(
    ("name", "allowed", "message"),
    [
        ("onnx", [], r"is a domain that is served, not exported\. Choose a compact one"),
        (
            "coreml",
            ["onnx", "docker"],
            r"is exported as onnx, docker, not as coreml\. Add it to `domain\.exports`",
        ),
    ],
)
def test_what_the_domain_does_not_have(source: Source, name: str, allowed: list[str], message: str) -> None:
    with pytest.raises(ExportError, match=message):
        require_allowed(by_name(name), source.card, allowed)
    require_allowed(by_name(name), source.card, [*allowed, by_name(name).family])


@pytest.mark.parametrize("limit", [1, 7])
def test_some_images_are_enough(trained: SmallProject, limit: int) -> None:
    few = trained.params.export.model_copy(update={"verification_images": limit})
    trained.params = trained.params.model_copy(update={"export": few})
    assert export(trained).comparison.images == limit


def _lose(project: SmallProject) -> None:
    (project.root / project.records[0].path).unlink()


def _replace(project: SmallProject) -> None:
    (project.root / project.records[0].path).write_bytes(
        (project.root / project.records[1].path).read_bytes()
    )


def _forget_all(project: SmallProject) -> None:
    project.records.clear()


@pytest.mark.parametrize(
    ("mishap", "message"),
    [
        (_lose, r"000\.jpg could be read by ingest and cannot be now"),
        (_replace, r"000\.jpg is not the photo that it was"),
        (_forget_all, "the manifest has none of its 36. Run `dvc repro`"),
    ],
)
def test_photos_that_are_not_there(
    trained: SmallProject, mishap: Callable[[SmallProject], None], message: str
) -> None:
    mishap(trained)
    with pytest.raises((DatasetError, VerificationError), match=message):
        export(trained)


def test_a_photo_that_was_taken_out_is_not_asked_about(trained: SmallProject) -> None:
    del trained.records[0]
    assert export(trained).comparison.images == 35


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
