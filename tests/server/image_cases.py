"""Photos, and requests that upload them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient


def photo(number: int, width: int = 32, height: int = 24, kind: str = "JPEG") -> bytes:
    """A picture of its own for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, kind)
    return written.getvalue()


def entry(number: int, *tags: str, **more: Any) -> dict[str, Any]:
    contents = base64.b64encode(photo(number)).decode()
    return {"name": f"photo {number}", "contents": contents, "tagIds": list(tags), **more}


def upload(client: TestClient, project_id: str, *entries: dict[str, Any], **batch: Any) -> dict[str, Any]:
    answer = client.post(f"/projects/{project_id}/images/files", json={"images": entries, **batch})
    assert answer.status_code in (200, 207), answer.text
    summary: dict[str, Any] = answer.json()
    return summary


def uploaded(client: TestClient, project_id: str, *entries: dict[str, Any], **batch: Any) -> list[str]:
    """Ids of the images, all of which were added."""
    summary = upload(client, project_id, *entries, **batch)
    assert summary["isBatchSuccessful"], summary
    return [one["image"]["id"] for one in summary["images"]]


def statuses(summary: dict[str, Any]) -> list[str]:
    return [one["status"] for one in summary["images"]]


def tag_names(image: dict[str, Any]) -> list[str]:
    return [tag["tagName"] for tag in image.get("tags", [])]


def box(tag: str, left: float = 0.1, **more: float) -> dict[str, Any]:
    return {"tagId": tag, "left": left, "top": 0.25, "width": 0.5, "height": 0.5, **more}
