from __future__ import annotations

import json
from pathlib import Path

import pytest

from dahlia import layout
from dahlia.errors import TrainingError
from dahlia.modeling.card import load_card
from dahlia.serving.runtime import load_model
from dahlia.stages import export, train
from small_projects import SmallProject


def test_export_is_proven_and_served(project: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    train.run(project.params, project.root)
    capsys.readouterr()
    export.run(project.params, project.root)
    said = capsys.readouterr().out
    assert said.startswith("export: onnx, 24 images, largest difference ")
    assert said.endswith("(limit 0.0001), top tag agrees on 100%\n")
    folder = project.root / layout.EXPORTS / "onnx"
    assert (folder / "labels.txt").read_bytes() == b"blue\nred"
    assert json.loads((folder / "verification.json").read_text())["largest_difference"] < 1e-4
    model = load_model(folder, "Iteration 1", 1, 1)
    assert [tag.name for tag in model.card.tags] == ["blue", "red"]
    assert load_card(folder) == load_card(project.root / layout.BUNDLE)


def test_without_a_model(project: SmallProject) -> None:
    with pytest.raises(TrainingError, match=r"model\.json was expected and is not there\. Run `dvc repro"):
        export.run(project.params, project.root)
    assert not (project.root / layout.EXPORTS).exists()


def test_a_second_export_replaces_the_first(project: SmallProject, tmp_path: Path) -> None:
    train.run(project.params, project.root)
    export.run(project.params, project.root)
    stray = project.root / layout.EXPORTS / "onnx" / "stray.txt"
    stray.touch()
    project.plant(green=12)
    train.run(project.params, project.root)
    export.run(project.params, project.root)
    assert not stray.exists()
    assert (stray.parent / "labels.txt").read_bytes() == b"blue\ngreen\nred"
