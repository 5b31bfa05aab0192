"""Exports: what they hold, that they are whole, and what they are made from."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from small_exports import ITERATION, ONNX, download, export, target

from dahlia import layout
from dahlia.errors import DatasetError, ExportError, TrainingError, VerificationError
from dahlia.export import artifacts
from dahlia.export.artifacts import export_inputs, require_allowed
from dahlia.export.formats import by_name
from dahlia.export.port import Source
from dahlia.modeling.card import load_card
from small_projects import REPOSITORY, SmallProject

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("exported_once")]


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
    inputs = export_inputs(trained.root / layout.BUNDLE, trained.records, trained.root)
    verified_on = inputs.verification_set(36)
    row = verified_on.paths.index(trained.records[0].path)
    assert tag == trained.records[0].tags[0]
    assert float(probability) == pytest.approx(verified_on.expected[row].max(), abs=1e-4)


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


def test_the_same_export_twice_at_once(trained: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        locked: list[FileLock] = []
        patch.setattr(artifacts, "FileLock", lambda path: locked.append(FileLock(path)) or locked[-1])
        export(trained)
    other = FileLock(locked[0].lock_file)
    with other, pytest.raises(ExportError, match=r"onnx is being exported to .*onnx by another process"):
        export(trained)
    assert export(trained).comparison.images == 36


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
