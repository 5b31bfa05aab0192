"""Reads what a detector answers: a grid, boxes before suppression, or boxes. Decoding needs numpy alone.

`Reader(folder).find(outputs)` gives the objects in a photo, where `outputs` are what the model answers for
`Reader(folder).batch(photo)`. The folder is the unpacked one, with the tags and properties of the model.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

MOST_EDGE = 10_240
"""Pixels of a photo's longer edge; a small file can hold a picture that fills the memory."""
Array = npt.NDArray[np.float32]
LEAST = 0.3
"""The lowest score that scripts print where nothing else is said."""


def asked(words: list[str]) -> tuple[str, float]:
    """The photo and the lowest score of a command line; another one ends the program with what it takes."""
    script, *rest = words
    if len(rest) in (1, 2):
        try:
            return rest[0], float(rest[1]) if len(rest) > 1 else LEAST
        except ValueError:
            pass
    sys.exit(f"Usage: python {script} PHOTO [SCORE], such as photo.jpg {LEAST}")


class Found(NamedTuple):
    """An object: its tag, how probable it is, and its place in fractions of the photo, from the top left."""

    tag: str
    score: float
    left: float
    top: float
    width: float
    height: float


class Reader:
    """Prepares photos for a detector, and reads its answers.

    Args:
        folder: with `labels.txt` and `metadata_properties.json`.
    """

    def __init__(self, folder: str | Path) -> None:
        properties = json.loads((Path(folder) / "metadata_properties.json").read_text(encoding="utf-8"))
        self.tags = (Path(folder) / "labels.txt").read_text(encoding="utf-8").split("\n")
        self.size = int(properties["CustomVision.Preprocess.TargetWidth"])
        self.bgr = properties["Image.BitmapPixelFormat"] == "Bgr8"
        self.full = 1 if properties["Image.NominalPixelRange"] == "Normalized_0_1" else 255
        numbers = json.loads(properties["CustomVision.Postprocess.Yolo.Biases"])
        self.anchors = np.array(numbers, np.float32).reshape(-1, 2)
        self.overlap = float(properties["dahlia.overlap"])
        self.least = float(properties["dahlia.least"])
        self.most = int(properties["dahlia.most"])

    def batch(self, photo: npt.NDArray[np.uint8], *, channels_last: bool = False) -> Array:
        """A photo (size, size, 3) BGR, 0 to 255, as OpenCV reads it, as the model takes it."""
        pixels = photo if self.bgr else photo[:, :, ::-1]
        pixels = pixels if channels_last else pixels.transpose(2, 0, 1)
        return np.ascontiguousarray(pixels[None], np.float32) * np.float32(self.full / 255)

    def find(self, outputs: Mapping[str, npt.ArrayLike]) -> list[Found]:
        """The objects, the most probable first.

        Args:
            outputs: of the model, for one photo, by their names.
        """
        arrays = {name: np.asarray(values, np.float32) for name, values in outputs.items()}
        if "detected_boxes" in arrays:
            corners = arrays["detected_boxes"].reshape(-1, 4)
            tags = arrays["detected_classes"].reshape(-1).astype(int)
            return self._found(corners, tags, arrays["detected_scores"].reshape(-1))
        if "coordinates" in arrays:  # of Core ML, which has suppressed them
            centres, edges = np.split(arrays["coordinates"], 2, axis=1)
            scores, tags = arrays["confidence"].max(1), arrays["confidence"].argmax(1)
            order = np.argsort(-scores, kind="stable")
            return self._found(_corners(centres, edges)[order], tags[order], scores[order])
        if "raw_boxes" in arrays:
            centres, edges = np.split(arrays["raw_boxes"].reshape(-1, 4), 2, axis=1)
            scores = arrays["raw_probs"].reshape(len(centres), -1)[:, 1:]  # the first is the background's
        else:
            (grid,) = arrays.values()
            centres, edges, scores = decode_grid(grid, self.anchors, len(self.tags))
        return self._found(*suppress(_corners(centres, edges), scores, self.overlap, self.least, self.most))

    def _found(self, corners: Array, tags: npt.NDArray[np.int64], scores: Array) -> list[Found]:
        edges = corners[:, 2:] - corners[:, :2]
        places = np.concatenate([corners[:, :2], edges], axis=1).tolist()
        rows = zip(tags, scores.tolist(), places, strict=True)
        return [Found(self.tags[tag], score, *place) for tag, score, place in rows]


def decode_grid(grid: Array, anchors: Array, tags: int) -> tuple[Array, Array, Array]:
    """Centres (M, 2), edges (M, 2) and scores (M, tags) of all places of a grid of YOLOv2.

    Args:
        grid: of one photo: (5 * (5 + tags), H, W), or (H, W, 5 * (5 + tags)), and axes of 1 before.
        anchors: (5, 2) width and height in cells.
        tags: how many.
    """
    channels = len(anchors) * (5 + tags)
    first, second, last = grid.shape[-3:]
    grid = grid.reshape(first, second, last)
    grid = grid if first == channels else grid.transpose(2, 0, 1)
    height, width = (second, last) if first == channels else (first, second)
    places = grid.reshape(len(anchors), 5 + tags, height, width).transpose(2, 3, 0, 1)
    cells = np.array([width, height], np.float32)
    corners = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)[:, :, None]
    centres = (_sigmoid(places[..., :2]) + corners) / cells
    edges = np.exp(places[..., 2:4]) * anchors / cells
    shares = np.exp(places[..., 5:] - places[..., 5:].max(-1, keepdims=True))
    scores = _sigmoid(places[..., 4:5]) * shares / shares.sum(-1, keepdims=True)
    return centres.reshape(-1, 2), edges.reshape(-1, 2), scores.reshape(-1, tags)


def suppress(
    corners: Array, scores: Array, overlap: float, least: float, most: int
) -> tuple[Array, npt.NDArray[np.int64], Array]:
    """Of boxes of one tag that overlap, the one with the highest score.

    Args:
        corners: (M, 4) left, top, right, bottom.
        scores: (M, tags).
        overlap: a box goes where a better one of its tag overlaps it by more (intersection over union).
        least: the lowest score that stays.
        most: so many boxes stay at most.

    Returns:
        Corners (n, 4), tags (n,) and scores (n,), the highest score first.
    """
    places, tags = np.nonzero(scores >= least)
    order = np.argsort(-scores[places, tags], kind="stable")
    places, tags = places[order], tags[order]
    boxes, left = corners[places], np.arange(len(places))
    kept: list[int] = []
    while len(left) and len(kept) < most:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        rivals = (tags[left] == tags[best]) & (_overlaps(boxes[best], boxes[left]) > overlap)
        left = left[~rivals]
    return boxes[kept], tags[kept], scores[places[kept], tags[kept]]


def read_photo(path: str, size: int) -> npt.NDArray[np.uint8]:
    """A photo, turned as its EXIF data says and stretched to (size, size, 3) BGR; needs OpenCV."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MOST_EDGE**2))
    import cv2

    try:
        photo = cv2.imread(path)
    except cv2.error:  # beyond the limit
        photo = None
    if photo is None or max(photo.shape[:2]) > MOST_EDGE:
        raise SystemExit(
            f"{path} was expected to be a photo whose edges have at most {MOST_EDGE:,} pixels. It is larger, "
            "or OpenCV cannot read it."
        )
    how = cv2.INTER_AREA if min(photo.shape[:2]) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(photo, (size, size), interpolation=how), np.uint8)


def _corners(centres: Array, edges: Array) -> Array:
    return np.concatenate([centres - edges / 2, centres + edges / 2], axis=1)


def _overlaps(box: Array, others: Array) -> Array:
    shared = np.clip(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0, None).prod(1)
    areas = (others[:, 2:] - others[:, :2]).prod(1) + (box[2:] - box[:2]).prod()
    return np.asarray(shared / np.maximum(areas - shared, 1e-12), np.float32)


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)), np.float32)
