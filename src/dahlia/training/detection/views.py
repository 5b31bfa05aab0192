"""Augmented views of photos with their boxes: one photo nearer, farther and aside, or four in a mosaic.

A photo is looked at through a window, which may reach beyond it; what is outside is grey. The window is cut
out and resized once, so a view costs as much as the plain one. Boxes follow the pixels exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import Pixels
from dahlia.params import ViewParams

GREY = 114
LEAST_VISIBLE = 0.35  # of a box; of less than that nobody would say what it is
LEAST_EDGE = 2.0  # pixels
_TRIES = 3  # windows that are tried until one shows a box
_MIDDLE = (0.35, 0.65)  # where the four photos of a mosaic meet
Rng = np.random.Generator


@dataclass(frozen=True)
class Scene:
    """Pixels and what they show.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        tags: (M,) int32.
        corners: (M, 4) float32 left, top, right, bottom in pixels.
    """

    pixels: Pixels
    tags: npt.NDArray[np.int32]
    corners: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Window:
    """Left, top, right and bottom of a window as fractions of the photo."""

    left: float
    top: float
    right: float
    bottom: float


def single(photo: Scene, size: int, params: ViewParams, rng: Rng) -> Scene:
    """One photo: turned, mirrored, through a window of another size and aspect, in other colours."""
    canvas = _canvas(size)
    shown = _shown(photo, canvas, (0, 0, size, size), params.zoom, size, params, rng)
    return _finished(canvas, [shown], params, rng)


def mosaic(photos: Sequence[Scene], size: int, params: ViewParams, rng: Rng) -> Scene:
    """Four photos, each in its quarter, whose sizes are random."""
    across, down = (int(size * rng.uniform(*_MIDDLE)) for _ in range(2))
    quarters = (
        (0, 0, across, down),
        (across, 0, size, down),
        (0, down, across, size),
        (across, down, size, size),
    )
    canvas = _canvas(size)
    shown = [
        _shown(photo, canvas, quarter, params.mosaic_zoom, size, params, rng)
        for photo, quarter in zip(photos, quarters, strict=True)
    ]
    return _finished(canvas, shown, params, rng)


Found = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]


def _canvas(size: int) -> Pixels:
    return np.full((size, size, 3), GREY, np.uint8)


def _finished(canvas: Pixels, shown: Sequence[Found], params: ViewParams, rng: Rng) -> Scene:
    pixels = recoloured(canvas, params.colour, rng)
    if params.blur and rng.random() < params.blur:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.4, 1.2)), np.uint8)
    tags = np.concatenate([tags for tags, _ in shown])
    return Scene(pixels, tags, np.concatenate([corners for _, corners in shown]))


def _shown(
    photo: Scene,
    canvas: Pixels,
    target: tuple[int, int, int, int],
    zoom: Sequence[float],
    size: int,
    params: ViewParams,
    rng: Rng,
) -> Found:
    """Draw a part of the photo into a part of the canvas; give the boxes that are to be seen there."""
    if params.rotation or params.perspective:
        photo = _warped(photo, params, rng)
    if params.mirror and rng.random() < 0.5:
        photo = _mirrored(photo)
    left, top, right, bottom = target
    found: Found = (photo.tags[:0], photo.corners[:0])
    for _ in range(_TRIES):
        window = _window((right - left) / size, (bottom - top) / size, zoom, params.aspect, rng)
        placement = _placement(window, target, photo.pixels.shape)
        found = _seen(photo, placement)
        if len(found[0]) or not len(photo.tags):
            break
    _draw(photo.pixels, canvas, placement)
    return found


def _window(across: float, down: float, zoom: Sequence[float], aspect: float, rng: Rng) -> _Window:
    factor = np.exp(rng.uniform(*np.log(zoom)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(aspect) / 2)
    edges = []
    for share in (across / (factor * stretch), down / (factor / stretch)):
        start = rng.uniform(min(0.0, 1.0 - share), max(0.0, 1.0 - share))
        edges.append((start, start + share))
    return _Window(edges[0][0], edges[1][0], edges[0][1], edges[1][1])


@dataclass(frozen=True)
class _Placement:
    """Columns and rows of a photo, and those of the canvas where they go: (start, end) of each."""

    source: tuple[tuple[int, int], tuple[int, int]]
    target: tuple[tuple[int, int], tuple[int, int]]


def _placement(window: _Window, target: tuple[int, int, int, int], shape: tuple[int, ...]) -> _Placement:
    height, width = shape[:2]
    left, top, right, bottom = target
    across = _aligned(window.left, window.right, width, left, right)
    down = _aligned(window.top, window.bottom, height, top, bottom)
    return _Placement((across[0], down[0]), (across[1], down[1]))


def _aligned(
    start: float, end: float, pixels: int, first: int, last: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    scale = (last - first) / (end - start)
    inner, outer = max(0.0, start), min(1.0, end)
    source = (int(inner * pixels), max(int(inner * pixels) + 1, round(outer * pixels)))
    begin = first + round((inner - start) * scale)
    begin = min(begin, last - 1)
    stop = min(last, max(begin + 1, first + round((outer - start) * scale)))
    return source, (begin, stop)


def _draw(pixels: Pixels, canvas: Pixels, placement: _Placement) -> None:
    (left, right), (top, bottom) = placement.source
    (start, end), (first, last) = placement.target
    part = pixels[top:bottom, left:right]
    width, height = end - start, last - first
    shrinks = part.shape[0] > height or part.shape[1] > width
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    canvas[first:last, start:end] = cv2.resize(part, (width, height), interpolation=method)


def _seen(photo: Scene, placement: _Placement) -> Found:
    """Boxes of the photo on the canvas, without those of which too little is to be seen."""
    moved = np.empty_like(photo.corners)
    limits = np.empty(4, np.float32)
    for axis in (0, 1):
        (start, end), (first, last) = placement.source[axis], placement.target[axis]
        moved[:, axis::2] = (photo.corners[:, axis::2] - start) * ((last - first) / (end - start)) + first
        limits[axis], limits[axis + 2] = first, last
    return visible(photo.tags, moved, limits)


def visible(
    tags: npt.NDArray[np.int32], corners: npt.NDArray[np.float32], limits: npt.NDArray[np.float32]
) -> Found:
    """Boxes clipped to a rectangle, without those of which less than `LEAST_VISIBLE` is in it.

    Args:
        tags: (M,).
        corners: (M, 4) left, top, right, bottom in pixels.
        limits: (4,) likewise.
    """
    clipped = np.clip(corners, limits[[0, 1, 0, 1]], limits[[2, 3, 2, 3]])
    whole = (corners[:, 2:] - corners[:, :2]).prod(1)
    edges = clipped[:, 2:] - clipped[:, :2]
    keep = (edges.prod(1) >= LEAST_VISIBLE * whole) & (edges.min(1, initial=np.inf) >= LEAST_EDGE)
    return tags[keep], clipped[keep].astype(np.float32)


def _mirrored(photo: Scene) -> Scene:
    corners = photo.corners.copy()
    corners[:, [0, 2]] = photo.pixels.shape[1] - photo.corners[:, [2, 0]]
    return Scene(np.ascontiguousarray(photo.pixels[:, ::-1]), photo.tags, corners)


def _warped(photo: Scene, params: ViewParams, rng: Rng) -> Scene:
    """Turned by up to `rotation` degrees, its corners moved by up to `perspective` of the edges."""
    height, width = photo.pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-1, 1, (4, 2)) * params.perspective * np.array([width, height])
    angle = np.deg2rad(rng.uniform(-1, 1) * params.rotation)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width, height]) / 2
    moved = (moved - middle) @ turn.T + middle
    change = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    pixels = cv2.warpPerspective(
        photo.pixels, change, (width, height), borderMode=cv2.BORDER_CONSTANT, borderValue=(GREY,) * 3
    )
    left, top, right, bottom = photo.corners.T
    points = np.stack([left, top, right, top, right, bottom, left, bottom], 1).reshape(-1, 1, 2)
    if len(points):
        points = cv2.perspectiveTransform(points.astype(np.float32), change)
    quads = points.reshape(-1, 4, 2)
    outer = np.concatenate([quads.min(1), quads.max(1)], 1) if len(quads) else photo.corners
    tags, kept = visible(photo.tags, outer.astype(np.float32), np.array([0, 0, width, height], np.float32))
    return Scene(np.asarray(pixels, np.uint8), tags, kept)


def recoloured(pixels: Pixels, strength: float, rng: Rng) -> Pixels:
    """Other brightness, contrast, saturation and tint; `strength` 0 changes nothing, 1 as much as can be."""
    if not strength:
        return pixels
    contrast, saturation = 1 + strength * rng.uniform(-1, 1, 2) * (0.5, 0.9)
    brightness = 255 * 0.4 * strength * rng.uniform(-1, 1)
    tint = 1 + 0.2 * strength * rng.uniform(-1, 1, 3)
    changed = pixels.astype(np.float32)
    grey = changed @ np.array([0.299, 0.587, 0.114], np.float32)
    changed = saturation * changed + (1 - saturation) * grey[..., None]
    mean = float(grey.mean())
    changed = (contrast * (changed - mean) + mean + brightness) * tint.astype(np.float32)
    return np.asarray(np.clip(changed, 0, 255), np.uint8)
