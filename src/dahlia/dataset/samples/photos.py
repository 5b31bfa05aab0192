"""Photos of one flower, and scenes of several with the exact box of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dahlia.dataset.records import Region
from dahlia.dataset.samples.camera import dapple, daylight, expose
from dahlia.dataset.samples.flowers import TAGS, Flower, grow
from dahlia.dataset.samples.greenery import any_leaf
from dahlia.dataset.samples.mesh import Array
from dahlia.dataset.samples.render import Layer, Light, blur, cast, coverage, over, render
from dahlia.dataset.samples.scenery import backdrop

_ASPECTS = (1.0, 5 / 4, 4 / 3, 4 / 3)
_LEAST_VISIBLE = 0.25


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of several flowers.

    Attributes:
        image: (H, W, 3) RGB.
        regions: one per flower, the extent of what is visible of its head.
        masks: one per region, (H, W), true where the head is what shows in more than half of the pixel.
    """

    image: NDArray[np.uint8]
    regions: tuple[Region, ...]
    masks: tuple[NDArray[np.bool_], ...]


@dataclass(slots=True)
class _Planted:
    tag: str
    area: float
    visible: Array


def draw_flower_photo(tag: str, rng: Generator, *, size: int = 512) -> NDArray[np.uint8]:
    """Draw a photo of one flower.

    Args:
        tag: `daisy`, `daffodil` or `dahlia`.
        rng: all chance comes from here.
        size: typical long edge, pixels; the real one lies between 0.85 and 1.25 of it.

    Returns:
        (H, W, 3) RGB; the short edge is at least 0.63 of `size`.

    Raises:
        ConfigError: no such tag.
    """
    frame = _frame(rng, size)
    light = daylight(rng)
    picture, flat = backdrop(rng, frame, light)
    edge = min(frame)
    fall = float(rng.uniform(-np.pi, np.pi) if flat else rng.normal(0, 0.25))
    if rng.random() < 0.4:
        _companions(tag, rng, picture, light, fall)
    radius = edge * float(rng.uniform(0.32, 0.5))
    margin = radius * rng.uniform(0.8, 1.05)
    centre = tuple(float(rng.uniform(margin, max(side - margin, margin + 1))) for side in frame[::-1])
    flower = grow(tag, rng, (centre[0], centre[1]), radius, fall)
    for layer in _layers(flower, light, frame):
        _drop(picture, layer, light, radius, flat)
    dapple(rng, picture)
    if rng.random() < 0.3:
        _obstruct(rng, picture, light, flower, (centre[0], centre[1]))
    return expose(rng, picture)


def draw_scene(rng: Generator, *, size: int = 512) -> Scene:
    """Draw one to five flowers of any tag, some overlapping; none is mostly hidden.

    Args:
        rng: all chance comes from here.
        size: as in `draw_flower_photo`.
    """
    frame = _frame(rng, size)
    light = daylight(rng)
    picture, flat = backdrop(rng, frame, light)
    planted: list[_Planted] = []
    wanted = int(rng.integers(1, 6))
    base = min(frame) * float(rng.uniform(0.32, 0.4)) / np.sqrt(wanted)
    for _ in range(wanted * 3):
        if len(planted) < wanted:
            _plant(rng, picture, light, planted, base * float(rng.uniform(0.7, 1.25)), flat)
    dapple(rng, picture)
    masks = tuple(flower.visible > 0.5 for flower in planted)
    regions = tuple(_box(flower.tag, mask) for flower, mask in zip(planted, masks, strict=True))
    return Scene(expose(rng, picture), regions, masks)


def _frame(rng: Generator, size: int) -> tuple[int, int]:
    longer = size * float(rng.uniform(0.85, 1.25))
    shorter = longer / _ASPECTS[rng.integers(len(_ASPECTS))]
    edges = (round(shorter), round(longer))
    return edges if rng.random() < 0.5 else edges[::-1]


def _layers(flower: Flower, light: Light, frame: tuple[int, int]) -> tuple[Layer, Layer]:
    green = render(flower.green, light, frame, reach=flower.radius * 0.3)
    return green, render(flower.head, light, frame, reach=flower.radius * 0.55)


def _drop(picture: Array, layer: Layer, light: Light, radius: float, flat: bool) -> None:
    cast(picture, layer, light, radius * (0.16 if flat else 0.3), 0.5 if flat else 0.15)
    over(picture, layer)


def _companions(tag: str, rng: Generator, picture: Array, light: Light, fall: float) -> None:
    frame = picture.shape[0], picture.shape[1]
    for _ in range(int(rng.integers(1, 4))):
        kind = tag if rng.random() < 0.6 else TAGS[rng.integers(len(TAGS))]
        radius = min(frame) * float(rng.uniform(0.06, 0.13))
        centre = float(rng.uniform(0, frame[1])), float(rng.uniform(0, frame[0]))
        flower = grow(kind, rng, centre, radius, fall + float(rng.normal(0, 0.2)))
        focus = min(frame) * float(rng.uniform(0.006, 0.02))
        for mesh in (flower.green, flower.head):
            over(picture, blur(render(mesh, light, frame, detail=1, reach=radius * 0.4), focus))


def _obstruct(
    rng: Generator, picture: Array, light: Light, flower: Flower, centre: tuple[float, float]
) -> None:
    frame = picture.shape[0], picture.shape[1]
    turn = float(rng.uniform(0, 2 * np.pi))
    away = flower.radius * float(rng.uniform(1.2, 1.7))
    foot = np.array([centre[0] + np.cos(turn) * away, centre[1] + np.sin(turn) * away, 0], np.float32)
    inward = turn + np.pi + float(rng.normal(0, 0.5))
    mesh = any_leaf(rng, foot, flower.radius * 1.2, inward)
    layer = render(mesh, light, frame, detail=1, reach=flower.radius * 0.3)
    over(picture, blur(layer, min(frame) * float(rng.uniform(0.002, 0.014))))


def _plant(
    rng: Generator, picture: Array, light: Light, planted: list[_Planted], radius: float, flat: bool
) -> None:
    frame = picture.shape[0], picture.shape[1]
    fall = float(rng.uniform(-np.pi, np.pi) if flat else rng.normal(0, 0.25))
    inset = radius * float(rng.uniform(0.4, 1.0))
    centre = float(rng.uniform(inset, frame[1] - inset)), float(rng.uniform(inset, frame[0] - inset))
    flower = grow(TAGS[rng.integers(len(TAGS))], rng, centre, radius, fall)
    green, head = _layers(flower, light, frame)
    own = coverage(head, frame)
    clear = (1 - coverage(green, frame)) * (1 - own)
    if any((other.visible * clear).sum() < _LEAST_VISIBLE * other.area for other in planted):
        return
    for other in planted:
        other.visible = other.visible * clear
    for layer in (green, head):
        _drop(picture, layer, light, radius, flat)
    planted.append(_Planted(flower.tag, float(head.alpha.sum()), own))


def _box(tag: str, mask: NDArray[np.bool_]) -> Region:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return Region(
        tag=tag,
        left=float(columns[0] / width),
        top=float(rows[0] / height),
        width=float((columns[-1] + 1 - columns[0]) / width),
        height=float((rows[-1] + 1 - rows[0]) / height),
    )
