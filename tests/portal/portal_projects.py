"""What the portal's tests look at: a server with keys of every scope, and a filled project of each kind."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from contract_projects import COMPACT, PREDICTION_ID, completed, detecting_project, upload
from contract_server import RunningServer, running_server
from msrest.authentication import ApiKeyCredentials
from PIL import Image, ImageDraw

from dahlia.server.context import open_server
from dahlia.server.disk import private
from dahlia.server.keys.keys import Scope, create_key
from dahlia.settings.server import load_settings

PUBLISHED = "live"
_TRAINED = 7  # photos of each tag; the others have none
_COLOURS = {"red": (225, 30, 40), "green": (40, 190, 60), "blue": (40, 60, 220)}
_BOXES = ((0.1, 0.15, 0.4, 0.5), (0.45, 0.3, 0.35, 0.55))  # left, top, width, height


@dataclass(frozen=True)
class PortalServer(RunningServer):
    """A server that serves the portal too.

    Attributes:
        admin_key: opens everything, keys and queue too.
        read_key: opens what changes nothing.
    """

    admin_key: str
    read_key: str


@dataclass(frozen=True)
class Filled:
    """A project with photos and a completed iteration.

    Attributes:
        project: its id.
        iteration: its id; a classifier is published as `PUBLISHED`.
        tags: ids by name.
        images: ids of the images that have tags, by tag.
        untagged: ids of images without tags.
    """

    project: str
    iteration: str
    tags: Mapping[str, str]
    images: Mapping[str, Sequence[str]]
    untagged: Sequence[str]


@contextmanager
def portal_server(home: Path, *options: str, **settings: str) -> Iterator[PortalServer]:
    """Serve until the block ends, with a key of each scope."""
    with running_server(home, *options, **settings) as server:
        yield PortalServer(**vars(server), **_keys(server))


def training_client(server: PortalServer) -> CustomVisionTrainingClient:
    """The SDK's client for training, which may do everything."""
    credentials = ApiKeyCredentials(in_headers={"Training-key": server.admin_key})
    return CustomVisionTrainingClient(server.base, credentials)


def _keys(server: RunningServer) -> dict[str, str]:
    variables = {"DAHLIA_SERVER_HOME": str(server.home), **server.settings}
    opened = open_server(load_settings(None, variables))
    try:
        with private(), opened.database.write() as session:
            return {
                f"{scope}_key": create_key(session, f"tests, {scope}", scope, None, opened.now())[1]
                for scope in (Scope.ADMIN, Scope.READ)
            }
    finally:
        opened.database.close()


def garden_project(client: Any, photos: Sequence[Path], seconds: float = 240.0) -> Filled:
    """Make a classification project of drawn photos, train and publish it."""
    project = client.create_project("Garden", domain_id=COMPACT, classification_type="Multiclass").id
    by_tag: dict[str, list[bytes]] = {}
    for photo in photos:
        by_tag.setdefault(photo.parent.name, []).append(photo.read_bytes())
    tags = {name: client.create_tag(project, name).id for name in by_tag}
    images = {name: upload(client, project, some[:_TRAINED], tags[name]) for name, some in by_tag.items()}
    untagged = upload(client, project, [photo for some in by_tag.values() for photo in some[_TRAINED:]])
    iteration = client.train_project(project).id
    completed(client, project, iteration, seconds)
    client.publish_iteration(project, iteration, PUBLISHED, PREDICTION_ID)
    return Filled(project, iteration, tags, images, untagged)


def photo_project(client: Any, name: str, photos: Sequence[Path]) -> str:
    """Make a classification project of photos, tagged with the names of their folders, and not trained."""
    project = client.create_project(name, domain_id=COMPACT, classification_type="Multiclass").id
    by_tag: dict[str, list[bytes]] = {}
    for photo in photos:
        by_tag.setdefault(photo.parent.name, []).append(photo.read_bytes())
    for tag, some in by_tag.items():
        upload(client, project, some, client.create_tag(project, tag).id)
    return str(project)


def scenes_project(client: Any, server: RunningServer) -> Filled:
    """Make a detection project of photos with a box each, whose iteration finds the photo's colours."""
    made = detecting_project(client, server, "Scenes")
    images: dict[str, list[str]] = {}
    for name, tag in made.tags.items():
        entries = [
            ImageFileCreateEntry(
                name=f"{name}-{number}.png",
                contents=scene(name, box),
                regions=[Region(tag_id=tag, left=box[0], top=box[1], width=box[2], height=box[3])],
            )
            for number, box in enumerate(_BOXES)
        ]
        summary = client.create_images_from_files(made.project, ImageFileCreateBatch(images=entries))
        assert summary.is_batch_successful, [one.status for one in summary.images]
        images[name] = [one.image.id for one in summary.images]
    untagged = upload(client, made.project, [scene(name, (0.2, 0.2, 0.6, 0.6)) for name in made.tags])
    return Filled(made.project, made.iteration, made.tags, images, untagged)


def scene(colour: str, box: tuple[float, float, float, float], size: tuple[int, int] = (320, 240)) -> bytes:
    """A PNG of a thing of a colour where a box is (left, top, width, height in 0..1)."""
    wide, high = size
    image = Image.new("RGB", size, (90, 92, 96))
    left, top, width, height = box
    corners = (left * wide, top * high, (left + width) * wide - 1, (top + height) * high - 1)
    ImageDraw.Draw(image).rounded_rectangle(corners, radius=12, fill=_COLOURS[colour])
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
