"""What the frozen backbone makes of views of photos: computed once, kept on disk in float16.

Each view is computed by itself, so a map depends on its photo, its partners, the number of the view and the
seed. The views of all photos with one number make one file, written whole or not at all: what was cut off
goes on with the next. A record of a file has the maps of a photo one after the other, each row by row with
channels last, and is read in one go; so maps take no memory until they are looked at.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dahlia.files import staged_file
from dahlia.modeling.detection.taps import Taps
from dahlia.params import ViewParams
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.map_graphs import Compute, Records, computer
from dahlia.training.detection.view_scenes import ViewScenes
from dahlia.training.detection.views import Scene
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from dahlia.training.threads import in_threads, thread_count

_BYTES = 2  # of a number


@dataclass(frozen=True)
class View:
    """The views of all photos with one number.

    Attributes:
        path: of the records.
        slots: (N,) the number of the record of each photo; -1 for photos that have none.
        mosaic: whether they are mosaics.
        tags: of the boxes in each record.
        corners: likewise, (M, 4) pixels.
    """

    path: Path
    slots: npt.NDArray[np.int64]
    mosaic: bool
    tags: tuple[npt.NDArray[np.int32], ...]
    corners: tuple[npt.NDArray[np.float32], ...]

    def boxes(self, row: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Tags (M,) and corners (M, 4) of a photo in this view."""
        slot = int(self.slots[row])
        return self.tags[slot], self.corners[slot]


@dataclass(frozen=True)
class MapShapes:
    """How a record is cut into maps.

    Attributes:
        channels: of each map.
        edges: of each map.
    """

    channels: tuple[int, ...]
    edges: tuple[int, ...]

    @property
    def length(self) -> int:
        """Numbers in a record."""
        return sum(count * edge**2 for count, edge in zip(self.channels, self.edges, strict=True))

    def maps(self, records: Records) -> list[Tensor]:
        """(N, length) to a float32 tensor (N, C, h, w) in channels-last layout for each map."""
        maps, start = [], 0
        for count, edge in zip(self.channels, self.edges, strict=True):
            part = np.ascontiguousarray(records[:, start : start + count * edge**2])
            # Torch's own memory is aligned; how numpy's lies may change the last bit of a product.
            numbers = torch.from_numpy(part).to(torch.float32)
            maps.append(numbers.view(-1, edge, edge, count).permute(0, 3, 1, 2))
            start += count * edge**2
        return maps


@dataclass(frozen=True)
class ViewMaps:
    """Maps of N photos in several views.

    Attributes:
        shapes: of the maps.
        plain: what prediction sees of each photo.
        views: what a detector learns from.
    """

    shapes: MapShapes
    plain: View
    views: tuple[View, ...]

    def read(self, view: View, row: int) -> Records:
        """(length,) of the photo with that number."""
        size = self.shapes.length * _BYTES
        with view.path.open("rb") as file:
            file.seek(int(view.slots[row]) * size)
            return np.frombuffer(file.read(size), np.float16)


def compute_maps(
    data: DetectionData,
    taps: Taps,
    photos: PhotoMemory,
    root: Path,
    folder: Path,
    *,
    size: int,
    views: int,
    params: ViewParams,
    seed: int,
    graphs: Path | None,
    progress: Callable[[int], None] = lambda done: None,
) -> ViewMaps:
    """Compute what is not in `folder` yet.

    Args:
        data: N photos; a mosaic has photos of one fold only.
        taps: the backbone, on the CPU.
        photos: where decoded ones are.
        root: the project folder.
        folder: for the files of this data, backbone and seed.
        size: input edge in pixels.
        views: of each photo, at least 1.
        params: how photos may be looked at.
        seed: of the views.
        graphs: a folder where graphs are kept; without one, torch computes.
        progress: is told how many more photos are done.

    Raises:
        DatasetError: a photo changed or vanished after ingest.
        TrainingError: the runtime has no memory left.
        DahliaError: a file cannot be written.
    """
    shapes = MapShapes(taps.channels, tuple(size // stride for stride in taps.strides))
    scenes = ViewScenes(data, photos, root, size, params, seed)
    compute: list[Compute] = []

    def made(number: int, is_mosaic: bool) -> View:
        path, rows = folder / f"view-{number:02d}.bin", scenes.rows(number)
        if not is_written(path, len(rows), shapes):
            if not compute:
                compute.append(computer(taps, size, graphs))
            write_view(path, partial(scenes, number, is_mosaic), rows, compute[0], progress)
        else:
            progress(len(rows))
        return open_view(path, is_mosaic, len(data.records), rows)

    mosaics = round(params.mosaic * views)
    plain = made(0, False)
    return ViewMaps(shapes, plain, tuple(made(number + 1, number < mosaics) for number in range(views)))


def is_written(path: Path, count: int, shapes: MapShapes) -> bool:
    """Whether `write_view` has written so many records."""
    boxes = path.with_suffix(".npz")
    return path.exists() and boxes.exists() and path.stat().st_size == count * shapes.length * _BYTES


def write_view(
    path: Path,
    scene: Callable[[int], Scene],
    rows: Sequence[int],
    compute: Compute,
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Write the maps of scenes into a file, and their boxes beside it.

    Args:
        path: of the maps; that of the boxes ends with `.npz`.
        scene: makes the scene of a row.
        rows: whose scenes are wanted.
        compute: makes the record of a scene.
        progress: is told how many more are done.

    Raises:
        DahliaError: a file cannot be written.
    """

    def made(row: int) -> tuple[Scene, Records]:
        drawn = scene(row)
        return drawn, compute(drawn.pixels)

    cv2.setNumThreads(1)  # OpenCV's own threads would compete with ours
    tags, corners = [], []
    with staged_file(path) as staged:
        with staged.open("wb") as file:
            for drawn, record in in_threads(made, rows, thread_count()):
                file.write(record.tobytes())
                tags.append(drawn.tags)
                corners.append(drawn.corners)
                progress(1)
        with staged_file(path.with_suffix(".npz")) as boxes, boxes.open("wb") as file:
            counts = np.array([len(each) for each in tags], np.int64)
            np.savez(file, counts=counts, tags=np.concatenate(tags), corners=np.concatenate(corners))


def open_view(path: Path, is_mosaic: bool, photos: int, rows: Sequence[int]) -> View:
    """What `write_view` wrote, as a view of `photos` photos."""
    slots = np.full(photos, -1, np.int64)
    slots[rows] = np.arange(len(rows))
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as kept:
        cuts = np.cumsum(kept["counts"])[:-1]
        tags, corners = np.split(kept["tags"], cuts), np.split(kept["corners"], cuts)
    return View(path, slots, is_mosaic, tuple(tags), tuple(corners))


def views_that_fit(photos: int, shapes: MapShapes, wanted: int, limit: int) -> int:
    """How many views of each photo are made: no more than fit into `limit` bytes, but at least 2."""
    each = photos * shapes.length * _BYTES
    return max(2, min(wanted, math.floor(limit / each) - 1))


def maps_key(data: DetectionData, taps: Taps, size: int, params: ViewParams, seed: int) -> str:
    """A SHA-256 of all that decides the maps of views."""
    digest = hashlib.sha256(repr((taps.fingerprint, size, params.model_dump_json(), seed)).encode())
    for record, boxes, fold in zip(data.records, data.truth, data.folds.tolist(), strict=True):
        digest.update(repr((record.id, fold)).encode() + boxes.tags.tobytes() + boxes.places.tobytes())
    return digest.hexdigest()
