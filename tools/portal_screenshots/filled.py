"""A server in a temporary home with a filled project of each kind, as the portal's tests have them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from contract_projects import PREDICTION_ID
from portal_projects import (
    PUBLISHED,
    Filled,
    PortalServer,
    garden_project,
    portal_server,
    scenes_project,
    training_client,
)

from dahlia import layout
from dahlia.errors import TrainingError
from dahlia_samples import generate_garden
from shared_graphs import share_graphs_of_server

_PER_TAG = 24
_ASKED = 9
_TRAINING_SECONDS = 900.0  # at most, on a machine with much else to do
_SEED = 17


@dataclass(frozen=True)
class FilledServer:
    """What there is to look at.

    Attributes:
        server: serves it.
        projects: by name.
    """

    server: PortalServer
    projects: dict[str, Filled]


@contextmanager
def filled_server() -> Iterator[FilledServer]:
    """Serve until the block ends: a classifier that was asked, and a detector.

    Raises:
        TrainingError: the classifier is not trained in time.
    """
    with tempfile.TemporaryDirectory(prefix="portal-") as folder:
        garden = Path(folder) / "photos"
        generate_garden(garden, images_per_tag=_PER_TAG, seed=_SEED, size=300, workers=1)
        photos = sorted(garden.rglob("*.jpg"))
        graphs = Path(layout.GRAPH_CACHE).resolve()  # of this checkout: the next time they are there already
        graphs.mkdir(parents=True, exist_ok=True)
        share_graphs_of_server(Path(folder) / "home", graphs)
        with portal_server(Path(folder) / "home") as server:
            client = training_client(server)
            projects = {
                "garden": _trained_garden(client, photos),
                "scenes": scenes_project(client, server),
            }
            _ask(server, projects["garden"].project, photos[:: len(photos) // _ASKED], f"{PUBLISHED}/image")
            client.publish_iteration(
                projects["scenes"].project, projects["scenes"].iteration, PUBLISHED, PREDICTION_ID
            )
            yield FilledServer(server, projects)


def _trained_garden(client: Any, photos: list[Path]) -> Filled:
    try:
        return garden_project(client, photos, _TRAINING_SECONDS)
    except AssertionError as error:
        raise TrainingError(
            f"Expected a classifier that is trained within {_TRAINING_SECONDS / 60:g} minutes: {error}. Run "
            "this again, best when the machine has nothing else to do."
        ) from error


def _ask(server: PortalServer, project: str, photos: list[Path], model: str) -> None:
    """Ask a published model about photos, which the server keeps as predictions."""
    address = f"{server.base}/customvision/v3.0/Prediction/{project}/classify/iterations/{model}"
    headers = {"Prediction-Key": server.prediction_key, "Content-Type": "application/octet-stream"}
    for photo in photos:
        requests.post(address, data=photo.read_bytes(), headers=headers, timeout=60).raise_for_status()
