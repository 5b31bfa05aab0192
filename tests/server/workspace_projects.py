"""Snapshots of generated photos, and workspaces whose stages are a line of shell each."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from dahlia.server.workspaces.snapshot import Photo, Snapshot

NAME = "garden-1a2b3c4d"
STAGES = ("ingest", "validate", "split", "train", "evaluate", "export", "track")
EDGE = 256


@dataclass
class PhotoSet:
    """Photos in a folder that stands for the server's storage; `fetched` names those that were asked for."""

    store: Path
    photos: list[Photo] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    made: int = 0

    def add(self, count: int, *tags: str, real: bool = False) -> None:
        """Add photos with these tags; `real` ones are colours with noise, others some bytes."""
        self.store.mkdir(exist_ok=True)
        for _ in range(count):
            number = self.made = self.made + 1
            content = _picture(tags, number) if real else f"photo {number} of {tags}".encode()
            name = hashlib.sha256(content).hexdigest()
            (self.store / name).write_bytes(content)
            self.photos.append(Photo(name, ".png", tags))

    def fetch(self, photo: Photo, path: Path) -> None:
        self.fetched.append(photo.sha256)
        path.hardlink_to(self.store / photo.sha256)

    def snapshot(self, **changes: object) -> Snapshot:
        whole = Snapshot(
            project=NAME,
            kind="multiclass",
            negative_tag=None,
            use_negative_set=True,
            domain="general_compact",
            recipe="quick",
            budget_minutes=None,
            photos=tuple(self.photos),
        )
        return replace(whole, **changes)  # type: ignore[arg-type]


def small_photo_set(store: Path) -> PhotoSet:
    """Three photos each of two tags; not pictures."""
    photo_set = PhotoSet(store)
    photo_set.add(3, "rose")
    photo_set.add(3, "tulip")
    return photo_set


def write_stages(folder: Path, commands: Mapping[str, str | Sequence[str]]) -> None:
    """Replace the pipeline by commands, one after the other; stages that are not named do nothing."""
    stages: dict[str, object] = {}
    for number, name in enumerate(STAGES):
        before = [f"out-{STAGES[number - 1]}"] if number else ["data/annotations.csv"]
        given = commands.get(name, [])
        lines = [given] if isinstance(given, str) else list(given)
        stages[name] = {"cmd": [*lines, f"echo {name} > out-{name}"], "deps": before, "outs": [f"out-{name}"]}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))


def tree(folder: Path) -> dict[str, bytes]:
    """The files of a workspace, without those of Git and without caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {".git", ".dahlia"} & set(path.relative_to(folder).parts)
    }


def _picture(tags: Sequence[str], number: int) -> bytes:
    colour = np.frombuffer(hashlib.sha256("/".join(tags).encode()).digest()[:3], np.uint8)
    noise = np.random.default_rng(number).integers(-50, 51, (16, 16, 3))
    pixels = np.clip(colour.astype(int) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((EDGE, EDGE), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
