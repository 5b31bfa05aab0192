from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from contract_projects import COMPACT, Detecting, Photos, Trained, detecting_project, trained_project
from contract_recorder import Recorded
from contract_server import RunningServer, running_server
from msrest.authentication import ApiKeyCredentials
from postgres_server import running_postgres

from dahlia_samples import generate_garden
from photo_server import WebServer, photo_server
from shared_graphs import share_graphs_of_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, shipped_graphs: Path) -> Iterator[RunningServer]:
    """One server on PostgreSQL, with one worker, for all tests of a process."""
    home = tmp_path_factory.mktemp("server") / "home"
    share_graphs_of_server(home, shipped_graphs)
    with (
        running_postgres() as postgres,
        postgres.database() as url,
        running_server(home, DAHLIA_DATABASE_URL=url) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def training(server: RunningServer) -> Recorded:
    """The SDK's client for training."""
    credentials = ApiKeyCredentials(in_headers={"Training-key": server.training_key})
    return Recorded(CustomVisionTrainingClient(server.base, credentials))


@pytest.fixture(scope="session")
def prediction(server: RunningServer) -> Recorded:
    """The SDK's client for predictions."""
    credentials = ApiKeyCredentials(in_headers={"Prediction-key": server.prediction_key})
    return Recorded(CustomVisionPredictionClient(server.base, credentials))


@pytest.fixture(scope="session")
def garden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine photos of each of three flowers, in a folder for each."""
    folder = tmp_path_factory.mktemp("garden") / "photos"
    generate_garden(folder, images_per_tag=9, seed=11, size=300, workers=1)
    return folder


@pytest.fixture(scope="session")
def photos(garden: Path) -> Photos:
    """The photos of the garden by their tags."""
    return {
        folder.name: [photo.read_bytes() for photo in sorted(folder.iterdir())]
        for folder in sorted(garden.iterdir())
    }


@pytest.fixture(scope="session")
def web(photos: Photos) -> Iterator[WebServer]:
    """Serves a photo of a daisy."""
    with photo_server(photos["daisy"][8]) as server:
        yield server


@pytest.fixture
def project(training: Recorded) -> Iterator[str]:
    """The id of an empty project of compact classification, one tag for an image."""
    made = training.create_project("A garden", domain_id=COMPACT, classification_type="Multiclass")
    yield made.id
    training.delete_project(made.id)


@pytest.fixture(scope="session")
def trained(training: Recorded, photos: Photos) -> Trained:
    """A project that was trained once; tests put back what they change of it."""
    return trained_project(training, photos)


@pytest.fixture(scope="session")
def detecting(training: Recorded, server: RunningServer) -> Detecting:
    """A detection project with an iteration that finds coloured places; tests put back what they change."""
    return detecting_project(training, server)
