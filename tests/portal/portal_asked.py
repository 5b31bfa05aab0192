"""Photos that no project has yet, and what is removed of a project after a test."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps


def mirrored(photo: Path) -> bytes:
    """A JPEG of the photo in a mirror: the same flower to a model, and another file to the server."""
    buffer = io.BytesIO()
    with Image.open(photo) as image:
        ImageOps.mirror(image).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def stored(client: Any, project: str) -> list[Any]:
    """The stored predictions of a project, the newest first."""
    query = {"orderBy": "Newest", "maxCount": 100, "tags": []}
    return list(client.query_predictions(project, query).results)


def forget(client: Any, project: str) -> None:
    """Delete the stored predictions of a project."""
    if ids := [one.id for one in stored(client, project)]:
        client.delete_prediction(project, ids)


def images_of(client: Any, project: str) -> set[str]:
    """The ids of a project's images."""
    return {image.id for image in client.get_images(project, take=256)}


def put_back(client: Any, project: str, images: set[str]) -> None:
    """Delete the images that were added since."""
    if added := images_of(client, project) - images:
        client.delete_images(project, image_ids=list(added))
