from __future__ import annotations

import json
from pathlib import Path

import pytest

from dahlia import layout
from dahlia.errors import ExportError, TrainingError
from dahlia.modeling.card import load_card
from dahlia.serving.runtime import load_model
from dahlia.stages import export, train
from small_projects import SmallProject


def test_export_is_proven_and_served(project: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    train.run(project.params, project.root)
    capsys.readouterr()
    export.run(project.params, project.root, "onnx")
    said = capsys.readouterr().out
    assert said.startswith("export: onnx, 24 images, largest difference ")
    assert "(limit 0.0001), top tag agrees on 100%" in said
    folder = project.root / layout.EXPORTS / "onnx"
    assert (folder / "labels.txt").read_bytes() == b"blue\nred"
    assert json.loads((folder / "verification.json").read_text())["largest_difference"] < 1e-4
    model = load_model(folder, "Iteration 1", 1, 1)
    assert [tag.name for tag in model.card.tags] == ["blue", "red"]
    assert load_card(folder) == load_card(project.root / layout.BUNDLE)


def test_without_a_model(project: SmallProject) -> None:
    with pytest.raises(TrainingError, match=r"model\.json was expected and is not there\. Run `dvc repro"):
        export.run(project.params, project.root, "onnx")
    assert not (project.root / layout.EXPORTS).exists()


def test_what_the_domain_does_not_export(project: SmallProject) -> None:
    train.run(project.params, project.root)
    served = project.params.domain.model_copy(update={"exports": []})
    project.params = project.params.model_copy(update={"domain": served})
    export.run(project.params, project.root, "onnx")  # the service needs it
    with pytest.raises(ExportError, match="is a domain that is served, not exported"):
        export.run(project.params, project.root, "onnx-float16")
    with pytest.raises(ExportError, match="unknown format `onnx16`; did you mean onnx"):
        export.run(project.params, project.root, "onnx16")
    assert [path.name for path in (project.root / layout.EXPORTS).iterdir()] == ["onnx"]


def test_a_second_export_replaces_the_first(project: SmallProject, tmp_path: Path) -> None:
    train.run(project.params, project.root)
    export.run(project.params, project.root, "onnx")
    stray = project.root / layout.EXPORTS / "onnx" / "stray.txt"
    stray.touch()
    project.plant(green=12)
    train.run(project.params, project.root)
    export.run(project.params, project.root, "onnx")
    assert not stray.exists()
    assert (stray.parent / "labels.txt").read_bytes() == b"blue\ngreen\nred"
