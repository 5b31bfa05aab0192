from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from dahlia import layout
from dahlia.errors import ExportError, TrainingError
from dahlia.modeling.card import load_card
from dahlia.serving.models.runtime import load_model
from dahlia.stages import export, train
from small_projects import SmallProject, make_params

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, tiny_weights: Path) -> SmallProject:
    """A trained project that keeps its backbone's graph; to be copied, not changed."""
    project = SmallProject(tmp_path_factory.mktemp("trained") / "project", make_params(tiny_weights))
    project.plant(red=12, blue=12)
    train.run(project.params, project.root)
    export.run(project.params, project.root, "onnx")
    shutil.rmtree(project.root / layout.EXPORTS)
    return project


@pytest.fixture
def trained(trained_once: SmallProject, tmp_path: Path) -> SmallProject:
    return trained_once.copy(tmp_path / "project")


def test_export_is_proven_and_served(trained: SmallProject, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    export.run(trained.params, trained.root, "onnx")
    said = capsys.readouterr().out
    assert said.startswith("export: onnx, 24 images, largest difference ")
    assert "(limit 0.0001), top tag agrees on 100%" in said
    folder = trained.root / layout.EXPORTS / "onnx"
    assert (folder / "labels.txt").read_bytes() == b"blue\nred"
    assert json.loads((folder / "verification.json").read_text())["largest_difference"] < 1e-4
    model = load_model(folder, "Iteration 1", 1, 1)
    assert [tag.name for tag in model.card.tags] == ["blue", "red"]
    assert load_card(folder) == load_card(trained.root / layout.BUNDLE)


def test_without_a_model(project: SmallProject) -> None:
    with pytest.raises(TrainingError, match=r"model\.json was expected and is not there\. Run `dvc repro"):
        export.run(project.params, project.root, "onnx")
    assert not (project.root / layout.EXPORTS).exists()


def test_what_the_domain_does_not_export(trained: SmallProject) -> None:
    served = trained.params.domain.model_copy(update={"exports": []})
    trained.params = trained.params.model_copy(update={"domain": served})
    export.run(trained.params, trained.root, "onnx")  # the service needs it
    with pytest.raises(ExportError, match="is a domain that is served, not exported"):
        export.run(trained.params, trained.root, "onnx-float16")
    with pytest.raises(ExportError, match="unknown format `onnx16`; did you mean onnx"):
        export.run(trained.params, trained.root, "onnx16")
    assert [path.name for path in (trained.root / layout.EXPORTS).iterdir()] == ["onnx"]


def test_a_second_export_replaces_the_first(trained: SmallProject) -> None:
    export.run(trained.params, trained.root, "onnx")
    stray = trained.root / layout.EXPORTS / "onnx" / "stray.txt"
    stray.touch()
    trained.plant(green=12)
    train.run(trained.params, trained.root)
    export.run(trained.params, trained.root, "onnx")
    assert not stray.exists()
    assert (stray.parent / "labels.txt").read_bytes() == b"blue\ngreen\nred"
