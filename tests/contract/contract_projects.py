"""Projects for the contract's tests: a trained one, and what is sent to fill one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
)
from contract_recorder import Recorded
from contract_server import RunningServer
from detector_cases import detecting_iteration
from fake_project import TAGS as COLOURS

from dahlia.server.context import open_server
from dahlia.server.database.changes import project_of
from dahlia.server.disk import private
from dahlia.settings.server import load_settings

DETECTION = "a27d5ca5-bb19-49d8-a70a-fec086c47f5b"
COMPACT = "0732100f-1a38-4e49-a514-c9b44c697ab5"
NOBODY = "00000000-0000-4000-8000-000000000000"
PREDICTION_ID = (
    "/subscriptions/0/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/garden-Prediction"
)

Photos = Mapping[str, Sequence[bytes]]
TAGS = ("daisy", "dahlia")
TRAINED = 6  # photos of each


@dataclass(frozen=True)
class Trained:
    """A project with a completed iteration.

    Attributes:
        project: its id.
        tags: ids by name.
        iteration: its id.
        images: ids of the images that it was trained on, by tag.
        untagged: ids of images without tags, a daisy and a dahlia.
        started: the iteration as `train_project` answered.
    """

    project: str
    tags: Mapping[str, str]
    iteration: str
    images: Mapping[str, Sequence[str]]
    untagged: Sequence[str]
    started: Any


@dataclass(frozen=True)
class Detecting:
    """A detection project with a completed iteration, which finds places by the colour of a photo.

    Attributes:
        project: its id.
        tags: ids by name.
        iteration: its id.
    """

    project: str
    tags: Mapping[str, str]
    iteration: str


def batch_of(photos: Iterable[bytes], *tag_ids: str, **options: Any) -> ImageFileCreateBatch:
    """A batch of photos, named by their places."""
    entries = [
        ImageFileCreateEntry(name=f"{number}.jpg", contents=photo) for number, photo in enumerate(photos)
    ]
    return ImageFileCreateBatch(images=entries, tag_ids=list(tag_ids), **options)


def upload(training: Any, project: str, photos: Iterable[bytes], *tag_ids: str) -> list[str]:
    """Add photos; gives the images' ids."""
    summary = training.create_images_from_files(project, batch_of(photos, *tag_ids))
    assert summary.is_batch_successful, [one.status for one in summary.images]
    return [one.image.id for one in summary.images]


def wait_until(reached: Callable[[], Any], seconds: float = 120.0) -> Any:
    """Ask until the answer is true, and give it."""
    until = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.1)
    return found


def completed(training: Any, project: str, iteration: str, seconds: float = 120.0) -> Any:
    """The iteration, once it is."""

    def ended() -> Any:
        now = training.get_iteration(project, iteration)
        assert now.status in ("Training", "Completed"), now.training_error_details
        return now if now.status == "Completed" else None

    return wait_until(ended, seconds)


def trained_project(training: Recorded, photos: Photos) -> Trained:
    """Make a project of two tags and train it."""
    project = training.create_project("Trained", domain_id=COMPACT, classification_type="Multiclass")
    tags = {name: training.create_tag(project.id, name).id for name in TAGS}
    images = {name: upload(training, project.id, photos[name][:TRAINED], tags[name]) for name in TAGS}
    untagged = upload(training, project.id, [photos[name][TRAINED] for name in TAGS])
    started = training.train_project(project.id)
    completed(training, project.id, started.id)
    return Trained(project.id, tags, started.id, images, untagged, started)


def detecting_project(training: Any, server: RunningServer, name: str = "Detecting") -> Detecting:
    """Make a detection project, and give it an iteration without waiting for a training."""
    project = training.create_project(name, domain_id=DETECTION)
    tags = {colour: training.create_tag(project.id, colour).id for colour in COLOURS}
    settings = {"DAHLIA_SERVER_HOME": str(server.home), **server.settings}
    opened = open_server(load_settings(None, settings))
    try:
        with opened.database.read() as session:
            row = project_of(session, project.id)
        with private():  # as the server itself writes
            iteration = detecting_iteration(opened, row)
    finally:
        opened.database.close()
    return Detecting(project.id, tags, iteration.id)
