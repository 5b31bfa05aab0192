from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dahlia.export.formats import FORMATS, Format, by_name
from dahlia.export.packing import add_companions, add_manifest, add_proof, metadata_properties, write_zip
from dahlia.export.port import Source

FORMS = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
WHEN = datetime(2026, 11, 21, 9, 8, 7, 123456, tzinfo=UTC)


def laid_out(folder: Path, form: Format, source: Source) -> Path:
    model = folder / form.model_file
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_bytes(b"a model")
    add_companions(folder, form, source.card)
    add_manifest(folder, form, source.card, "an id", WHEN)
    return model.parent


@FORMS
def test_every_form_has_its_companions(form: Format, source: Source, tmp_path: Path) -> None:
    beside = laid_out(tmp_path, form, source)
    assert (beside / "labels.txt").read_text() == "blue\ngreen\nred"
    manifest = json.loads((beside / "cvexport.manifest").read_text())
    assert (manifest["Platform"], manifest["Flavor"]) == (form.platform, form.api_flavour)
    assert (beside / manifest["ModelFileName"]).read_bytes() == b"a model"
    assert (beside / manifest["LabelFileName"]).is_file()
    assert (beside / manifest["MetadataPropsFileName"]).is_file()
    assert manifest["ExportedDate"] == "2026-11-21T09:08:07.1234560Z"
    assert "decide who may use it" in (tmp_path / "LICENSE").read_text().replace("\n", " ")


def test_the_licence_names_that_of_the_weights(source: Source, tmp_path: Path) -> None:
    known = {"source": "package a 1", "licence": "Apache-2.0", "note": "They are from elsewhere."}
    backbone = source.card.backbone.model_copy(update=known)
    card = source.card.model_copy(update={"backbone": backbone})
    form = by_name("onnx")
    (tmp_path / form.model_file).parent.mkdir(parents=True, exist_ok=True)
    add_companions(tmp_path, form, card)
    _, start, _ = (tmp_path / "LICENSE").read_text().split("\n\n")
    assert start.replace("\n", " ") == (
        f"It started from weights of {backbone.architecture} (package a 1, licence Apache-2.0); their terms "
        "apply to what remains of them. They are from elsewhere."
    )


@FORMS
def test_every_readme_has_lines_to_run(form: Format, source: Source, tmp_path: Path) -> None:
    laid_out(tmp_path, form, source)
    text = (tmp_path / "README.md").read_text()
    block = text.split("```python\n" if form.family != "tfjs" else "```js\n")[1].split("```")[0]
    assert 4 <= len(block.strip().splitlines()) <= (26 if form.family == "tfjs" else 20)
    assert "photo.jpg" in block
    assert "blue, green, red" in text
    assert "pip install \n" not in text


def test_a_package_that_is_a_folder_has_no_checksum(source: Source, tmp_path: Path) -> None:
    form = by_name("coreml")
    (tmp_path / form.model_file).mkdir()
    add_manifest(tmp_path, form, source.card, "an id", WHEN)
    assert json.loads((tmp_path / "cvexport.manifest").read_text())["ModelFileSHA1"] is None


@pytest.mark.parametrize(
    ("name", "pixels", "values"),
    [
        ("onnx", "Bgr8", "NominalRange_0_255"),
        ("openvino", "Rgb8", "Normalized_0_1"),
        ("litert", "Bgr8", "NominalRange_0_255"),
    ],
)
def test_metadata_says_what_the_graph_does(name: str, pixels: str, values: str, source: Source) -> None:
    said = metadata_properties(by_name(name), source.card)
    assert said["Image.BitmapPixelFormat"] == pixels
    assert said["Image.NominalPixelRange"] == values
    assert said["CustomVision.Preprocess.ResizeMethod"] == "Stretch"
    assert said["CustomVision.Preprocess.TargetWidth"] == str(source.card.input.size)
    assert said["CustomVision.Postprocess.Method"] == "ClassificationMultiClass"
    assert all(isinstance(value, str) for value in said.values())
    several = source.card.model_copy(update={"classification": "multilabel"})
    assert (
        metadata_properties(by_name(name), several)["CustomVision.Postprocess.Method"]
        == "ClassificationMultiLabel"
    )
    s1 = source.card.model_copy(update={"channels": "RGB"})
    assert metadata_properties(by_name(name), s1)["Image.BitmapPixelFormat"] == "Rgb8"


def test_everyone_may_read_the_files_of_a_zip(tmp_path: Path) -> None:
    (tmp_path / "made" / "model").mkdir(parents=True)
    for name in ("LICENSE", "model/weights.bin"):
        (tmp_path / "made" / name).write_text(name * 1000)
        (tmp_path / "made" / name).chmod(0o600)
    write_zip(tmp_path / "made.zip", tmp_path / "made")
    add_proof(tmp_path / "made.zip", {"same": True})
    with zipfile.ZipFile(tmp_path / "made.zip") as packed:
        entries = {entry.filename: entry for entry in packed.infolist()}
        assert packed.read("model/weights.bin") == b"model/weights.bin" * 1000
    assert list(entries) == ["LICENSE", "model/weights.bin", "verification.json"]
    assert {entry.external_attr >> 16 & 0o777 for entry in entries.values()} == {0o644}
    assert entries["LICENSE"].compress_size < entries["LICENSE"].file_size / 10
