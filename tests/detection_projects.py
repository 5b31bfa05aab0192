"""Projects of small photos with coloured rectangles and their boxes, as `split` leaves them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dahlia import layout
from dahlia.composition import compose
from dahlia.config import check_params
from dahlia.dataset.manifest import TEST_FOLD, save_folds, save_manifest
from dahlia.dataset.records import ImageRecord, Region
from dahlia.params import Params
from small_projects import ARCHITECTURE, REPOSITORY

SIZE = 64
FOLDS = 5
EDGE = 96
COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 220)}
Placed = tuple[str, int, int, int, int]  # tag, left, top, width and height in pixels


def detection_params(weights: Path, domain: str = "detection_general_compact", **training: Any) -> Params:
    """The shipped parameters with the tiny network at 64 px, and a training of seconds."""
    values = compose(REPOSITORY, [f"domain={domain}"])
    shipped = values["training"]["detection"]
    values["domain"] |= {
        "backbone": {"architecture": ARCHITECTURE, "weights": str(weights)},
        "input": {"size": SIZE, "smoothing": 0.0},
    }
    values["domain"]["detector"] |= {"width": 16}
    quick = {"steps": 12, "batch_size": 2, "views": 3, "folds": 2}
    values["training"] |= {"detection": shipped | quick | training}
    return check_params(values, "params.yaml")


class DetectionProject:
    """A project folder; `records` and `folds` are what its tables hold.

    Args:
        root: the folder.
        params: of the project.
        graphs: a folder of converted backbones that it shares with others.
    """

    def __init__(self, root: Path, params: Params, graphs: Path) -> None:
        (root / layout.GRAPH_CACHE).parent.mkdir(parents=True)
        (root / layout.GRAPH_CACHE).symlink_to(graphs)
        self.root, self.params = root, params
        self.records: list[ImageRecord] = []
        self.folds: dict[str, int] = {}

    def add(self, placed: Sequence[Placed], *, test: bool = False, fold: int | None = None) -> ImageRecord:
        """Add a photo of noise with rectangles in it."""
        number = len(self.records)
        pixels = np.random.default_rng(number).integers(90, 140, (EDGE, EDGE, 3), np.uint8)
        for tag, left, top, width, height in placed:
            pixels[top : top + height, left : left + width] = COLOURS[tag]
        path = self.root / "data" / "images" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        record = ImageRecord(
            id=hashlib.sha256(path.read_bytes()).hexdigest(),
            path=path.relative_to(self.root).as_posix(),
            width=EDGE,
            height=EDGE,
            tags=tuple(sorted({tag for tag, *_ in placed})),
            regions=tuple(Region(tag, *(value / EDGE for value in place)) for tag, *place in placed),
            subset="test" if test else "train",
            source="regions.csv",
            phash="0" * 16,
        )
        self.records.append(record)
        self.folds[record.id] = TEST_FOLD if test else (number % FOLDS if fold is None else fold)
        return record

    def add_random(self, count: int, tags: Sequence[str] = ("red", "blue")) -> None:
        """Add photos with one or two rectangles each."""
        for _ in range(count):
            rng = np.random.default_rng(100 + len(self.records))
            boxes = []
            for tag in rng.choice(list(tags), rng.integers(1, 3), replace=False).tolist():
                width, height = rng.integers(20, 45, 2).tolist()
                boxes.append((tag, *rng.integers(0, EDGE - 45, 2).tolist(), width, height))
            self.add(boxes)

    def save(self) -> DetectionProject:
        """Write the tables."""
        save_manifest(self.root / layout.MANIFEST, self.records)
        save_folds(self.root / layout.FOLDS, self.folds)
        return self
