"""Trainings with the real pipeline, and what a killed one left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from job_cases import (
    DETECTION,
    QUICK,
    add_photo,
    add_photos,
    eventually,
    iteration,
    jobs,
    opened,
    order,
    plant,
    states,
    working,
)

from changed_package import change_package
from dahlia.modeling.box_predictions import load_box_predictions
from dahlia.modeling.card import (
    load_card,
)
from dahlia.server.context import Server
from dahlia.server.jobs.job import JobKind
from dahlia.server.jobs.training_data import PREDICTIONS, artifact_key
from dahlia.server.jobs.training_job import train
from dahlia.server.jobs.worker_context import WorkerContext
from dahlia.server.project_folders import CheckedOut, check_out
from dahlia.server.rescue.rescuing import rescue
from dahlia.server.workspaces.workspace import git
from shared_graphs import share_graphs_of_server
from small_projects import COLOURS, photo

TRAINING = {JobKind.TRAIN: train}
# A lease that does not end while the machine is busy; that of a killed worker of this machine ends at once.
PATIENT = QUICK | {"DAHLIA_JOBS_WARM": "true", "DAHLIA_JOBS_LEASE_SECONDS": "30"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """What is read here is read alike from both databases; the queue's tests use both."""
    return f"sqlite:///{tmp_path / 'home' / 'dahlia.db'}"


@pytest.fixture
def server(database_url: str, tmp_path: Path, shipped_graphs: Path) -> Iterator[Server]:
    """A server whose workers are quick to notice."""
    share_graphs_of_server(tmp_path / "home", shipped_graphs)
    server = opened(tmp_path, database_url)
    yield server
    server.database.close()


@pytest.mark.slow
@pytest.mark.usefixtures("forked_stages")
def test_a_real_training_and_another_after_more_photos(server: Server, tmp_path: Path) -> None:
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=6, blue=6)
    made = [order(server, garden)]
    with working(server, TRAINING):
        eventually(lambda: states(server) == ["done"], 120)
        add_photos(server, garden, first=6, red=2)
        made.append(order(server, garden))
        eventually(lambda: states(server) == ["done"] * 2, 120)
    rows = [iteration(server, one) for one in made]
    assert [row.status for row in rows] == ["Completed"] * 2
    assert rows[0].run_id != rows[1].run_id
    for number, row in enumerate(rows):
        server.storage.fetch_folder(artifact_key(row.id, "servable"), tmp_path / str(number))
        served = load_card(tmp_path / str(number))
        assert {tag.name: tag.id for tag in served.tags} == garden.tags
        assert served.training.images == 12 + 2 * number
    out = tmp_path / "out"
    assert check_out(server, garden.id, out) == CheckedOut("garden", rows[1].name, 14)
    trained = WorkerContext(server).workspace(garden.id)
    for name in ("reports/metrics.json", "params.yaml", "data/folds.csv"):
        assert (out / name).read_bytes() == (trained / name).read_bytes()
    assert len(list((out / "data" / "images").iterdir())) == 14
    assert [line.split()[-1] for line in git(out, "log", "--format=%s").splitlines()] == ["2", "1"]
    assert git(out, "status", "--porcelain") == ""
    lost = opened(tmp_path, f"sqlite:///{tmp_path / 'new.db'}", "new home", paired=False)
    (found,) = rescue(lost, lambda done: None, lambda keys: None).projects
    assert (found.id, found.iterations, found.images, found.tagged) == (garden.id, 2, 14, 14)
    assert check_out(lost, garden.id, tmp_path / "again") == CheckedOut("garden", rows[1].name, 14)
    for name in ("params.yaml", "data/folds.csv", "data/annotations.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()
    lost.database.close()


@pytest.mark.slow
def test_what_a_killed_worker_left_of_a_real_training_another_finishes(server: Server) -> None:
    garden = plant(server, "red", "blue")
    add_photos(server, garden, red=6, blue=6)
    made = order(server, garden)
    first = start_worker(server)
    try:
        eventually(lambda: jobs(server)[0].progress.get("stage") in ("split", "train"), 120)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait(10)
    second = start_worker(server)
    try:
        eventually(lambda: states(server) == ["done"], 120)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
    assert iteration(server, made).status == "Completed"
    assert jobs(server)[0].attempts == 2


QUICKER = {
    "training/quick.yaml": {"detection.steps": 60, "detection.views": 3, "detection.folds": 3},
    "domain/detection_general_compact.yaml": {"input.size": 96},
}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_training_of_a_detector_ends_as_if_nobody_had_killed_it(
    server: Server, tmp_path: Path
) -> None:
    package = {"PYTHONPATH": str(change_package(tmp_path / "package", QUICKER))}
    made = []
    for killed in (True, False):
        project = plant(server, "red", "blue", domain=DETECTION, classification=None)
        for number in range(12):
            tag = ("red", "blue")[number % 2]
            add_photo(server, project, photo(COLOURS[tag], number), tag, region=tag)
        made.append(order(server, project))
        if killed:
            first = start_worker(server, **package)
            runs = WorkerContext(server).workspace(project.id) / ".dahlia/detection/runs"
            try:
                eventually(lambda: any(runs.glob("*/*.safetensors")), 250)  # noqa: B023
            finally:
                os.killpg(first.pid, signal.SIGKILL)
                first.wait(10)
            assert states(server) == ["running"]
    second = start_worker(server, **package)
    try:
        eventually(lambda: states(server) == ["done"] * 2, 300)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
    assert [job.attempts for job in jobs(server)] == [2, 1]
    found = []
    for identity in made:
        assert iteration(server, identity).status == "Completed"
        server.storage.fetch(artifact_key(identity, PREDICTIONS), tmp_path / identity)
        found.append(load_box_predictions(tmp_path / identity))
    resumed, whole = found
    assert resumed.ids == whole.ids
    for one, other in zip(resumed.found, whole.found, strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.places, other.places)


def start_worker(server: Server, **variables: str) -> subprocess.Popen[bytes]:
    """`dahlia worker` for a server."""
    settings = server.settings
    places = {
        "DAHLIA_SERVER_HOME": str(settings.server.home),
        "DAHLIA_DATABASE_URL": settings.database_url.reveal(),
        "DAHLIA_STORAGE_URL": settings.storage_url.reveal(),
        "DAHLIA_TRACKING_URI": settings.tracking_uri.reveal(),
    }
    command = [sys.executable, "-m", "dahlia", "worker"]
    return subprocess.Popen(command, env=os.environ | places | PATIENT | variables, start_new_session=True)
