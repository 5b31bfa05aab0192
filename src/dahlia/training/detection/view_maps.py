"""What the frozen backbone makes of views of photos: computed once, kept on disk in float16.

Each view is computed by itself, so a map depends on its photo, its partners, the number of the view and the
seed. The views of all photos with one number make one file, written whole or not at all: what was cut off
goes on with the next. A record of a file has the maps of a photo one after the other, each row by row with
channels last, and is read in one go; so maps take no memory until they are looked at.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dahlia.dataset.imaging import Pixels, to_tensor_layout
from dahlia.errors import ExportError, TrainingError, runtime_errors
from dahlia.files import staged_file
from dahlia.modeling.backbone_graph import INPUT, kept_graph
from dahlia.modeling.detection.map_names import map_name
from dahlia.modeling.detection.taps import Taps
from dahlia.params import ViewParams
from dahlia.training.detection.detection_data import DetectionData
from dahlia.training.detection.views import Scene, mosaic, single
from dahlia.training.fine_tuning.tuning_data import PhotoMemory
from dahlia.training.graph_features import single_session
from dahlia.training.threads import in_threads, thread_count

_TOLERANCE = 2e-3  # relative to the largest value: two steps of float16 there
_PARTNERS = 3
Records = npt.NDArray[np.float16]
Compute = Callable[[Pixels], Records]


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
        size = self.shapes.length * 2
        with view.path.open("rb") as file:
            data = os.pread(file.fileno(), size, int(view.slots[row]) * size)
        return np.frombuffer(data, np.float16)


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
    scenes = _Scenes(data, photos, root, size, params, seed)
    compute: list[Compute] = []

    def made(number: int, is_mosaic: bool) -> View:
        path = folder / f"view-{number:02d}.bin"
        boxes = path.with_suffix(".npz")
        if not (path.exists() and boxes.exists()):
            if not compute:
                compute.append(_computer(taps, size, graphs))
            _write(path, boxes, scenes, number, is_mosaic, compute[0], progress)
        else:
            progress(len(scenes.rows(number)))
        return _opened(path, boxes, is_mosaic, len(data.records), scenes.rows(number))

    mosaics = round(params.mosaic * views)
    plain = made(0, False)
    return ViewMaps(shapes, plain, tuple(made(number + 1, number < mosaics) for number in range(views)))


class _Scenes:
    """The scene of a view and a photo: number 0 is the plain view."""

    def __init__(
        self, data: DetectionData, photos: PhotoMemory, root: Path, size: int, params: ViewParams, seed: int
    ) -> None:
        self.data, self.photos, self.root = data, photos, root
        self.size, self.params, self.seed = size, params, seed
        self.of_fold = {fold: np.flatnonzero(data.folds == fold) for fold in np.unique(data.folds)}

    def rows(self, number: int) -> list[int]:
        """The photos that have this view: nothing but the plain one is wanted of test photos."""
        chosen: list[int] = np.flatnonzero(self.data.training | (number == 0)).tolist()
        return chosen

    def __call__(self, number: int, is_mosaic: bool, row: int) -> Scene:
        if number == 0:
            record = self.data.records[row]
            pixels = self.photos.get(record.id, self.root / record.path).plain
            return Scene(pixels, self.data.truth[row].tags, self._corners(row, pixels))
        rng = np.random.default_rng((self.seed, number, int(self.data.records[row].id[:12], 16)))
        if not is_mosaic:
            return single(self._photo(row), self.size, self.params, rng)
        partners = rng.choice(self.of_fold[self.data.folds[row]], _PARTNERS)
        rows = rng.permutation([row, *partners.tolist()]).tolist()
        return mosaic([self._photo(each) for each in rows], self.size, self.params, rng)

    def _photo(self, row: int) -> Scene:
        record = self.data.records[row]
        pixels = self.photos.get(record.id, self.root / record.path).reduced
        return Scene(pixels, self.data.truth[row].tags, self._corners(row, pixels))

    def _corners(self, row: int, pixels: Pixels) -> npt.NDArray[np.float32]:
        places = self.data.truth[row].places
        height, width = pixels.shape[:2]
        corners = np.concatenate([places[:, :2], places[:, :2] + places[:, 2:]], 1)
        return (corners * np.array([width, height, width, height], np.float32)).astype(np.float32)


def _write(
    path: Path,
    boxes: Path,
    scenes: _Scenes,
    number: int,
    is_mosaic: bool,
    compute: Compute,
    progress: Callable[[int], None],
) -> None:
    def made(row: int) -> tuple[Scene, Records]:
        scene = scenes(number, is_mosaic, row)
        return scene, compute(scene.pixels)

    cv2.setNumThreads(1)  # OpenCV's own threads would compete with ours
    tags, corners = [], []
    with staged_file(path) as staged:
        with staged.open("wb") as file:
            for scene, record in in_threads(made, scenes.rows(number), thread_count()):
                file.write(record.tobytes())
                tags.append(scene.tags)
                corners.append(scene.corners)
                progress(1)
        with staged_file(boxes) as staged_boxes, staged_boxes.open("wb") as file:
            counts = np.array([len(each) for each in tags], np.int64)
            np.savez(file, counts=counts, tags=np.concatenate(tags), corners=np.concatenate(corners))


def _opened(path: Path, boxes: Path, is_mosaic: bool, photos: int, rows: Sequence[int]) -> View:
    slots = np.full(photos, -1, np.int64)
    slots[rows] = np.arange(len(rows))
    with np.load(boxes, allow_pickle=False) as kept:
        cuts = np.cumsum(kept["counts"])[:-1]
        tags, corners = np.split(kept["tags"], cuts), np.split(kept["corners"], cuts)
    return View(path, slots, is_mosaic, tuple(tags), tuple(corners))


def _computer(taps: Taps, size: int, graphs: Path | None) -> Compute:
    if graphs is None:
        return _by_torch(taps)
    try:
        return _by_graph(taps, size, graphs)
    except ExportError as error:
        import warnings

        warnings.warn(f"Maps are computed by torch, which takes longer. {error}", stacklevel=2)
        return _by_torch(taps)


def _joined(maps: Sequence[npt.NDArray[np.float32]]) -> Records:
    return np.concatenate([each[0].transpose(1, 2, 0).ravel() for each in maps]).astype(np.float16)


def _by_torch(taps: Taps) -> Compute:
    def compute(pixels: Pixels) -> Records:
        with torch.inference_mode():
            return _joined([each.numpy() for each in taps(torch.from_numpy(to_tensor_layout([pixels])))])

    return compute


def _by_graph(taps: Taps, size: int, graphs: Path) -> Compute:
    names = [map_name(stride) for stride in taps.strides]
    session = single_session(kept_graph(graphs, taps.fingerprint, size, lambda: taps, names))
    of_what = f"maps of {taps.architecture} at {size} px"

    def compute(pixels: Pixels) -> Records:
        try:
            return _joined(session.run(names, {INPUT: to_tensor_layout([pixels])}))
        except runtime_errors() as error:
            raise TrainingError(
                f"ONNX Runtime could not compute {of_what} ({str(error).splitlines()[0]}). If memory is "
                "short, end other programs, then run again."
            ) from error

    pixels = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    found, expected = (each(pixels).astype(np.float32) for each in (compute, _by_torch(taps)))
    error = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1.0))
    if not error <= _TOLERANCE:
        raise ExportError(
            f"The graph of {of_what} gives maps that differ from torch's by {error:.1g} of the largest "
            f"value, expected {_TOLERANCE:g} at most. Choose another backbone in conf/domain."
        )
    return compute


def views_that_fit(photos: int, shapes: MapShapes, wanted: int, limit: int) -> int:
    """How many views of each photo are made: no more than fit into `limit` bytes, but at least 2."""
    each = photos * shapes.length * 2
    return max(2, min(wanted, math.floor(limit / each) - 1))


def maps_key(data: DetectionData, taps: Taps, size: int, params: ViewParams, seed: int) -> str:
    """A SHA-256 of all that decides the maps of views."""
    digest = hashlib.sha256(repr((taps.fingerprint, size, params.model_dump_json(), seed)).encode())
    for record, boxes, fold in zip(data.records, data.truth, data.folds.tolist(), strict=True):
        digest.update(repr((record.id, fold)).encode() + boxes.tags.tobytes() + boxes.places.tobytes())
    return digest.hexdigest()
