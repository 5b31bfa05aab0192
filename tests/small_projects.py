"""Projects of small photos and a tiny network, as `split` leaves them: ready to train."""

from __future__ import annotations

import functools
import hashlib
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.exclusion import save_excluded
from dahlia.dataset.manifest import TEST_FOLD, save_folds, save_manifest
from dahlia.dataset.records import ImageRecord
from dahlia.params import Params

REPOSITORY = Path(__file__).parents[1]
ARCHITECTURE = "test_resnet"
SIZE = 32
FOLDS = 5
COLOURS = {"red": (200, 60, 60), "green": (60, 180, 60), "blue": (60, 60, 200), "Negative": (120, 120, 120)}


@functools.cache
def shipped() -> dict[str, Any]:
    """What `conf/` composes."""
    return compose(REPOSITORY)


def make_params(weights: Path, **project: object) -> Params:
    """The shipped parameters with the tiny network; `project` replaces keys of that section."""
    values = shipped()
    domain = values["domain"] | {
        "backbone": {"architecture": ARCHITECTURE, "weights": str(weights)},
        "input": {"size": SIZE, "smoothing": 0.16},
        "recipe": {"views": ["plain", "mirror"], "augmentation": ["mirror"]},
    }
    training = values["training"] | {"regularisation": [1e-3, 1e-4], "max_iterations": 20}
    changed = {"project": values["project"] | project, "domain": domain, "training": training}
    return check_params(values | changed, "params.yaml")


def photo(colour: tuple[int, int, int], seed: int) -> bytes:
    """A JPEG of 64x48 pixels: the colour with noise on it, no two seeds alike."""
    noise = np.random.default_rng(seed).integers(-50, 51, (12, 16, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((64, 48), Image.Resampling.NEAREST).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


class SmallProject:
    """A project folder; `records` and `folds` are what its tables hold.

    Args:
        root: the folder.
        params: of the project.
        graphs: a folder of converted backbones that it shares with others.
    """

    def __init__(self, root: Path, params: Params, graphs: Path | None = None) -> None:
        if graphs is not None:
            (root / layout.GRAPH_CACHE).parent.mkdir(parents=True)
            (root / layout.GRAPH_CACHE).symlink_to(graphs)
        self.root = root
        self.params = params
        self.records: list[ImageRecord] = []
        self.folds: dict[str, int] = {}

    def copy(self, root: Path) -> SmallProject:
        """The same project in another folder."""
        copy = SmallProject(Path(shutil.copytree(self.root, root)), self.params)
        copy.records, copy.folds = list(self.records), dict(self.folds)
        return copy

    def plant(self, *, test: bool = False, **counts: int) -> list[ImageRecord]:
        """Add so many photos of each colour, and write the tables."""
        planted = [self._add(tag, test) for tag, count in counts.items() for _ in range(count)]
        save_manifest(self.root / layout.MANIFEST, self.records)
        save_folds(self.root / layout.FOLDS, self.folds)
        save_excluded(self.root / layout.EXCLUDED, [])
        return planted

    def _add(self, tag: str, test: bool) -> ImageRecord:
        number = len(self.records)
        path = self.root / "data" / "images" / tag / f"{number:03d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo(COLOURS[tag], number))
        record = make_record(path, self.root, (tag,), test=test)
        self.records.append(record)
        self.folds[record.id] = TEST_FOLD if test else number % FOLDS
        return record


def make_record(path: Path, root: Path, tags: tuple[str, ...], *, test: bool = False) -> ImageRecord:
    """The manifest's row of a photo."""
    return ImageRecord(
        id=hashlib.sha256(path.read_bytes()).hexdigest(),
        path=path.relative_to(root).as_posix(),
        width=64,
        height=48,
        tags=tags,
        regions=(),
        subset="test" if test else "train",
        source="folder",
        phash="0" * 16,
    )
