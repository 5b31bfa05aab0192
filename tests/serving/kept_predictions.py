"""What the tests of kept predictions share: answers, and segments made without a store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dahlia.serving.stored.segments import MAGIC, MARKER_BYTES, head_of, segment_name
from dahlia.serving.stored.store import Kept

MARKER = b"\x00\xffmarker"
assert len(MARKER) == MARKER_BYTES
DAY = 86400.0


def facts_of(name: str, tag: str = "rose", **more: Any) -> dict[str, Any]:
    predictions = [{"tagName": "other", "probability": 0.25}, {"tagName": tag, "probability": 0.75}]
    return {"id": name, "predictions": predictions, "publishName": "v1", "application": None} | more


def kept(name: str, image: bytes = b"image") -> Kept:
    return Kept(image, {"id": name}, "v1", "kiosk", "r1")


def record(facts: dict[str, Any], image: bytes, time: float) -> bytes:
    said = json.dumps(facts).encode()
    return head_of(MARKER, time, said, image) + said + image


def plant(folder: Path, began: float, records: Iterable[tuple[dict[str, Any], bytes, float]]) -> Path:
    """A segment that no process writes, with records of (facts, image, time)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / segment_name(began)
    path.write_bytes(MAGIC + MARKER + b"".join(record(*one) for one in records))
    return path
