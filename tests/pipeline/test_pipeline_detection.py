"""From photos and boxes to a published detector that answers the original client, by commands alone."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials
from pipeline_projects import STAGES, Finished, Project, succeeded
from test_pipeline_publishing import serving

from dahlia.modeling.card import project_id
from dahlia_samples import generate_scenes
from shared_graphs import share_graphs

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
PHOTOS = 14
QUICKER = (
    "domain.input.size=160",
    "training.detection.steps=120",
    "training.detection.views=4",
    "training.detection.folds=2",
    "evaluate.bootstrap_samples=100",
)


@pytest.fixture(scope="module")
def detector(
    tmp_path_factory: pytest.TempPathFactory, machine: Path, warm: Path | None, shipped_graphs: Path
) -> tuple[Project, str]:
    """A project after the README's commands, with a smaller training, and what they printed."""
    folder = tmp_path_factory.mktemp("cutlery")
    generate_scenes(folder / "photos", images=PHOTOS, seed=2, size=448)
    (block,) = re.findall(r"^```sh\n(dahlia init --task detection.*?)^```", README, re.MULTILINE | re.DOTALL)
    # Not by another HOME: libraries read it when they are imported, so that nothing would be forked.
    script = block.replace("~/photos", str(folder / "photos"))
    script = script.replace("dvc repro", f"dahlia params {' '.join(QUICKER)}\ndvc repro")
    project = Project(folder / "cutlery", machine, warm)
    laying, cd, rest = script.partition("cd cutlery\n")
    run_script(laying, folder, project)
    share_graphs(project.root, shipped_graphs)
    return project, run_script(cd + rest, folder, project)


def run_script(script: str, folder: Path, project: Project) -> str:
    """What it prints; `dahlia` is forked, as the stages are."""
    forked = 'dahlia() { python -m dahlia "$@"; }'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{forked}\n{script}"],
        cwd=folder,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return succeeded(Finished(done.returncode, done.stdout)).output


def test_all_stages_run_once(detector: tuple[Project, str]) -> None:
    project, said = detector
    assert set(STAGES) == set(re.findall(r"^Running stage '(\w+)", said, re.MULTILINE))
    assert "held-out boxes found" in said
    assert "is published as cutlery" in said
    assert succeeded(project.dvc("repro")).ran == []


def test_what_it_leaves(detector: tuple[Project, str]) -> None:
    project, _ = detector
    metrics = json.loads((project.root / "reports" / "metrics.json").read_text())
    assert metrics["images"] == PHOTOS
    assert 0 <= metrics["map50_low"] <= metrics["map50"] <= metrics["map50_high"] <= 1
    assert "<svg" in (project.root / "reports" / "evaluation.html").read_text()
    proof = json.loads((project.root / "exports" / "onnx" / "verification.json").read_text())
    assert proof["images"] == PHOTOS


def test_the_original_client_gets_boxes(detector: tuple[Project, str]) -> None:
    project, _ = detector
    photo = sorted((project.root / "data" / "images").glob("**/*.jpg"))[0]
    with serving(project, ".", project.root) as base:
        client = CustomVisionPredictionClient(base, ApiKeyCredentials(in_headers={"Prediction-key": "any"}))
        answer = client.detect_image(project_id("cutlery"), "cutlery", photo.read_bytes())
        with pytest.raises(Exception, match="expected to detect"):
            client.classify_image(project_id("cutlery"), "cutlery", photo.read_bytes())
    for found in answer.predictions:
        place = found.bounding_box
        assert 0 <= place.left <= place.left + place.width <= 1 + 1e-6
        assert 0 <= place.top <= place.top + place.height <= 1 + 1e-6
        assert 0 < found.probability <= 1
    listed = succeeded(project.dahlia("predict", "--json", str(photo))).output
    assert len(json.loads(listed.splitlines()[-1])["predictions"]) == len(answer.predictions)


def test_more_photos_and_a_second_iteration_compare(detector: tuple[Project, str], tmp_path: Path) -> None:
    project = detector[0].copy(tmp_path)
    succeeded(project.dahlia("params", *QUICKER, "evaluate.overlap=0.3"))
    assert "train" not in succeeded(project.dvc("repro")).ran
    assert "map50" in succeeded(project.dahlia("compare", "1", "2")).output
