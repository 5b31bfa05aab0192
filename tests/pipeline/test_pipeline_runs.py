"""`dvc repro` as a user runs it: what it leaves, and what it does again."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from pipeline_projects import TAGS, Project, succeeded

from dahlia.dataset.manifest import load_folds
from dahlia.project import create_project
from dahlia.tracking.store import connect
from dahlia_samples import generate_scenes
from shared_graphs import share_graphs

pytestmark = pytest.mark.slow

ARTIFACTS = (
    "data/dataset/manifest.parquet",
    "data/dataset/inspection.parquet",
    "reports/validation.json",
    "reports/validation.html",
    "data/dataset/excluded.parquet",
    "data/dataset/folds.parquet",
    "models/bundle/model.safetensors",
    "models/bundle/model.json",
    "models/predictions.parquet",
    "reports/evaluation.json",
    "reports/metrics.json",
    "reports/evaluation.html",
    "reports/plots/confusion.csv",
    "exports/onnx/model.onnx",
    "exports/onnx/model.json",
    "exports/onnx/verification.json",
    "reports/iteration.json",
)
Features = dict[tuple[str, str], bytes]


def test_every_artifact_is_there(finished: Project) -> None:
    assert [name for name in ARTIFACTS if not (finished.root / name).is_file()] == []


def test_dvc_shows_metrics_and_plots(finished: Project) -> None:
    metrics = json.loads(succeeded(finished.dvc("metrics", "show", "--json")).output)
    assert metrics[""]["data"]["reports/metrics.json"]["data"]["images"] == 24
    plots = json.loads(succeeded(finished.dvc("plots", "show", "--json")).output)
    assert "errors" not in plots
    assert set(plots["data"]) == {"Confusion", "Precision and recall", "ROC", "Calibration", "Learning curve"}
    assert all(plot[0]["content"]["data"]["values"] for plot in plots["data"].values())


def test_nothing_changed_runs_nothing(finished: Project) -> None:
    done = succeeded(finished.dvc("repro"))
    assert done.ran == []
    assert "Data and pipelines are up to date." in done.output


def test_two_clean_runs_agree(finished: Project, planted: Project, tmp_path: Path) -> None:
    elsewhere = planted.copy(tmp_path / "another folder")
    succeeded(Project(elsewhere.root, tmp_path / "another machine").dvc("repro", "evaluate"))
    assert elsewhere.evaluation == finished.evaluation


def test_ten_new_images(project: Project, photos: Path) -> None:
    before, folds = _features(project), load_folds(project.root / "data/dataset/folds.parquet")
    marked = _mark(project)
    added = _add_ten(project, photos)
    done = succeeded(project.dvc("repro", "train"))
    after = _features(project)
    assert {image for image, _ in set(after) - set(before)} == added
    assert marked.items() <= after.items()  # what was known has not been computed again
    known = load_folds(project.root / "data/dataset/folds.parquet")
    assert folds == {image: fold % 5 for image, fold in known.items() if image in folds}  # tenths of fifths
    assert set(known) - set(folds) == added
    assert "34 images in 10 folds, 24 as before" in done.output


def test_a_change_under_export_trains_nothing(finished: Project, twice: Project) -> None:
    output = (twice.root.parent / "output").read_text()
    assert [stage for stage in TRAINED if f"Running stage '{stage}'" in output] == []
    assert {stage: twice.lock[stage] for stage in TRAINED} == {
        stage: finished.lock[stage] for stage in TRAINED
    }
    proof = json.loads((twice.root / "exports/onnx/verification.json").read_text())
    assert proof["images"] == 8
    assert json.loads((twice.root / "reports/iteration.json").read_text())["number"] == 2


def test_another_format_runs_alone(project: Project) -> None:
    succeeded(project.dahlia("params", "export.formats=[onnx,openvino]"))
    done = succeeded(project.dvc("repro"))
    assert "Running stage 'export@openvino'" in done.output
    assert "Running stage 'export@onnx'" not in done.output
    assert [stage for stage in TRAINED if f"Running stage '{stage}'" in done.output] == []
    iteration = json.loads((project.root / "reports/iteration.json").read_text())
    assert iteration["number"] == 2
    store = connect("sqlite:///mlflow.db", project.root)
    kept = store.list_artifacts(iteration["id"].replace("-", ""), "exports")
    assert [part.path for part in kept] == ["exports/openvino"]  # the ONNX export is with the logged model
    succeeded(project.dahlia("params", "export.formats=[onnx]"))
    again = succeeded(project.dvc("repro"))
    assert "Running stage 'export@" not in again.output
    assert json.loads((project.root / "reports/iteration.json").read_text())["number"] == 1


def test_downloads_of_an_iteration(project: Project) -> None:
    done = succeeded(project.dahlia("export", "1", "--format", "onnx", "--format", "openvino"))
    assert "onnx, 24 images, largest difference " in done.output
    made = sorted(path.name for path in (project.root / "downloads").iterdir())
    name = f"{project.root.name}-1"
    assert made == [
        f"{name}-onnx.verification.json",
        f"{name}-onnx.zip",
        f"{name}-openvino.verification.json",
        f"{name}-openvino.zip",
    ]
    refused = project.dahlia("export", "7", "--format", "onnx")
    assert refused.code == 1
    assert "received 7; known: 1" in refused.output
    assert "did you mean onnx" in project.dahlia("export", "1", "--format", "onx").output
    unknown = project.dahlia("export", "1", "--format", "litert", "--flavour", "float61")
    assert "litert has no flavour `float61`; did you mean float16" in unknown.output
    succeeded(project.dahlia("params", "domain=general"))
    assert project.dahlia("export", "1", "--format", "onnx").code == 0  # the iteration's domain is compact


def test_scenes_with_regions(tmp_path: Path, machine: Path, warm: Path | None, shipped_graphs: Path) -> None:
    project = Project(tmp_path / "scenes", machine, warm)
    create_project(project.root)
    share_graphs(project.root, shipped_graphs)
    generate_scenes(project.root / "data" / "images", images=20, seed=1, size=416)
    succeeded(project.dahlia("params", "project.classification=multilabel"))
    done = succeeded(project.dvc("repro"))
    assert "held-out photos have every tag right" in done.output
    card = json.loads((project.root / "exports/onnx/model.json").read_text())
    assert card["classification"] == "multilabel"
    assert [tag["name"] for tag in card["tags"]] == list(TAGS)


TRAINED = ("ingest", "validate", "split", "train", "evaluate")


def _cache(project: Project) -> Path:
    (path,) = (project.root / ".dahlia" / "features").glob("*.sqlite")
    return path


def _features(project: Project) -> Features:
    with closing(sqlite3.connect(_cache(project))) as connection:
        rows = connection.execute("SELECT id, view, vector FROM features")
        return {(image, view): vector for image, view, vector in rows}


def _mark(project: Project) -> Features:
    """Change the last byte but one of every vector, too little to matter; a new computation would undo it."""
    marked = {
        key: vector[:-4] + bytes([vector[-4] ^ 1]) + vector[-3:] for key, vector in _features(project).items()
    }
    with closing(sqlite3.connect(_cache(project))) as connection, connection:
        connection.executemany(
            "UPDATE features SET vector = ? WHERE id = ? AND view = ?",
            [(vector, *key) for key, vector in marked.items()],
        )
    return marked


def _add_ten(project: Project, photos: Path) -> set[str]:
    present = {path.name for path in (project.root / "data" / "images").rglob("*.jpg")}
    fresh = [photo for photo in sorted(photos.rglob("*.jpg")) if photo.name not in present][:10]
    for photo in fresh:
        shutil.copy(photo, project.root / "data" / "images" / photo.parent.name)
    return {hashlib.sha256(photo.read_bytes()).hexdigest() for photo in fresh}
