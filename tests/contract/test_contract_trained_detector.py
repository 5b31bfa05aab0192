"""Detection through the original SDK: the first program that people write, and what a portal asks."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from contract_projects import PREDICTION_ID, completed, wait_until
from contract_server import RunningServer, running_server
from msrest.authentication import ApiKeyCredentials

from changed_package import change_package
from dahlia.boxes import overlaps
from dahlia_samples import generate_scenes
from shared_graphs import share_graphs_of_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

QUICKSTART = Path(__file__).parent / "clients" / "detection_quickstart.py"
DOMAIN = "General (compact)"
QUICKER = {
    "training/quick.yaml": {"detection.steps": 150, "detection.views": 4, "detection.folds": 2},
    "domain/detection_general_compact.yaml": {"input.size": 160},
    "evaluate/default.yaml": {"bootstrap_samples": 50},
}
PHOTOS = 16
LINE = re.compile(r"\t(\w+): ([\d.]+)% bbox.left = ([\d.]+), .* = ([\d.]+), .* = ([\d.]+), .* = ([\d.]+)")


@dataclass(frozen=True)
class Scenes:
    """Photos of several flowers; `rows` are those of `regions.csv`."""

    folder: Path
    rows: list[dict[str, str]]

    def drawn(self, name: str, tag: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """(N, 4) the boxes of a tag in a photo."""
        found = [row for row in self.rows if (row["file"], row["tag"]) == (name, tag)]
        places = [[float(row[side]) for side in ("left", "top", "width", "height")] for row in found]
        return np.array(places, np.float32).reshape(-1, 4)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    folder = tmp_path_factory.mktemp("scenes") / "photos"
    generate_scenes(folder, images=PHOTOS, seed=2, size=448)
    with (folder / "regions.csv").open(newline="") as table:
        return Scenes(folder, [row for row in csv.DictReader(table) if row["tag"]])


@pytest.fixture(scope="module")
def detecting(tmp_path_factory: pytest.TempPathFactory, shipped_graphs: Path) -> Iterator[RunningServer]:
    """A server whose detectors are trained in seconds, on photos of which it asks few."""
    home = tmp_path_factory.mktemp("detecting")
    package = change_package(home / "package", QUICKER)
    share_graphs_of_server(home / "home", shipped_graphs)
    settings = {
        "PYTHONPATH": str(package),
        "DAHLIA_LIMITS_MIN_BOXED_IMAGES_PER_TAG": "5",
        "DAHLIA_JOBS_SHORT_SECONDS": "1000",  # which they would be, trained as usual
    }
    with running_server(home / "home", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def training(detecting: RunningServer) -> CustomVisionTrainingClient:
    credentials = ApiKeyCredentials(in_headers={"Training-key": detecting.training_key})
    return CustomVisionTrainingClient(detecting.base, credentials)


def test_the_quickstart(detecting: RunningServer, scenes: Scenes) -> None:
    ask = scenes.rows[0]["file"]  # one that it was trained on: it must know it
    place = {
        "VISION_ENDPOINT": detecting.base,
        "VISION_TRAINING_KEY": detecting.training_key,
        "VISION_PREDICTION_KEY": detecting.prediction_key,
        "VISION_PREDICTION_RESOURCE_ID": PREDICTION_ID,
        "VISION_DOMAIN": DOMAIN,
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", str(QUICKSTART), str(scenes.folder), str(scenes.folder / ask)],
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said[:3] == ["Creating project...", "Adding images...", "Training..."]
    assert said[-1] == "Deleted!"
    found = [match.groups() for line in said[said.index("Done!") + 1 : -1] if (match := LINE.fullmatch(line))]
    tag, _, *sides = max(found, key=lambda one: float(one[1]))
    box = np.array([sides], np.float32)
    assert overlaps(box, scenes.drawn(ask, tag)).max() > 0.5, done.stdout


@pytest.fixture(scope="module")
def trained(training: CustomVisionTrainingClient, scenes: Scenes) -> Any:
    """A project that was trained once, its tags by name, and its iteration."""
    domain = next(
        one for one in training.get_domains() if (one.type, one.name) == ("ObjectDetection", DOMAIN)
    )
    project = training.create_project("Scenes", domain_id=domain.id)
    tags = {name: training.create_tag(project.id, name) for name in sorted({r["tag"] for r in scenes.rows})}
    names = list(dict.fromkeys(row["file"] for row in scenes.rows))
    entries = [
        ImageFileCreateEntry(
            name=name,
            contents=(scenes.folder / name).read_bytes(),
            regions=[
                Region(tag_id=tags[tag].id, left=left, top=top, width=width, height=height)
                for tag in tags
                for left, top, width, height in scenes.drawn(name, tag).astype(float).tolist()
            ],
        )
        for name in names
    ]
    assert training.create_images_from_files(
        project.id, ImageFileCreateBatch(images=entries)
    ).is_batch_successful
    iteration = training.train_project(project.id)
    completed(training, project.id, iteration.id, 500)
    return project, tags, iteration


def test_figures_follow_both_sliders(training: CustomVisionTrainingClient, trained: Any) -> None:
    project, tags, iteration = trained
    low = training.get_iteration_performance(project.id, iteration.id, threshold=0.3, overlap_threshold=0.3)
    strict = training.get_iteration_performance(
        project.id, iteration.id, threshold=0.3, overlap_threshold=0.9
    )
    assert {one.name for one in low.per_tag_performance} == set(tags)
    assert low.average_precision > strict.average_precision >= 0
    assert low.recall >= strict.recall
    none = training.get_iteration_performance(project.id, iteration.id, threshold=1.0, overlap_threshold=0.3)
    assert (none.recall, none.average_precision) == (0.0, low.average_precision)


def test_images_show_what_is_true_and_what_was_found(
    training: CustomVisionTrainingClient, trained: Any
) -> None:
    project, _, iteration = trained
    images = training.get_image_performances(project.id, iteration.id, take=PHOTOS)
    assert len(images) == training.get_image_performance_count(project.id, iteration.id)
    assert all(image.regions for image in images)
    found = [one for image in images for one in image.predictions]
    assert found
    for one in found:
        box = one.bounding_box
        assert 0 <= box.left <= box.left + box.width <= 1 + 1e-6
        assert 0 <= box.top <= box.top + box.height <= 1 + 1e-6


def test_an_iteration_is_tested_published_exported_and_copied(
    detecting: RunningServer, training: CustomVisionTrainingClient, trained: Any, scenes: Scenes
) -> None:
    project, _, iteration = trained
    photo = (scenes.folder / scenes.rows[0]["file"]).read_bytes()
    tested = training.quick_test_image(project.id, photo, iteration_id=iteration.id, store=False)
    assert all(one.bounding_box for one in tested.predictions)
    training.publish_iteration(project.id, iteration.id, "live", PREDICTION_ID)
    credentials = ApiKeyCredentials(in_headers={"Prediction-key": detecting.prediction_key})
    prediction = CustomVisionPredictionClient(detecting.base, credentials)
    found = prediction.detect_image(project.id, "live", photo).predictions
    assert [(one.tag_name, one.probability) for one in found] == [
        (one.tag_name, one.probability) for one in tested.predictions
    ]
    training.export_iteration(project.id, iteration.id, "ONNX")

    def exported() -> Any:
        (export,) = training.get_exports(project.id, iteration.id)
        assert export.status != "Failed"
        return export.download_uri

    assert wait_until(exported)
    copy = training.import_project(token=training.export_project(project.id).token)
    wait_until(lambda: training.get_project(copy.id).status == "Succeeded")
    (copied,) = training.get_iterations(copy.id)
    figures = [
        training.get_iteration_performance(one, made, threshold=0.3).average_precision
        for one, made in ((project.id, iteration.id), (copy.id, copied.id))
    ]
    assert figures[0] == figures[1]
    assert training.quick_test_image(copy.id, photo, store=False).predictions
    training.delete_project(copy.id)


def test_a_training_is_cancelled(
    detecting: RunningServer, training: CustomVisionTrainingClient, trained: Any
) -> None:
    import requests

    project, tags, _ = trained
    chosen = next(iter(tags.values())).id
    started = training.train_project(project.id, selected_tags=[chosen])
    path = (
        f"{detecting.base}/customvision/v3.4-preview/training/projects/{project.id}/iterations/{started.id}"
    )
    headers = {"Training-Key": detecting.training_key}

    def is_training() -> bool:
        return bool(requests.get(path, headers=headers).headers.get("dahlia-stage") == "train")

    wait_until(is_training)
    assert requests.post(path + "/cancel", headers=headers).status_code == 200
    wait_until(lambda: training.get_iteration(project.id, started.id).status == "Failed")
