"""Photos of one flower, and scenes of several with the exact box of each: sunlight and camera included."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dahlia.dataset.records import Region
from dahlia_samples.flowers import TAGS, Flower, any_leaf, grow
from dahlia_samples.mesh import Array, mix
from dahlia_samples.render import Layer, Light, blur, cast, coverage, over, render, soften
from dahlia_samples.scenery import backdrop, noise

_ASPECTS = (1.0, 5 / 4, 4 / 3, 4 / 3)
_LEAST_VISIBLE = 1 / 3  # of a head; less is hard to name, and would be neither object nor background


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of several flowers.

    Attributes:
        image: (H, W, 3) RGB.
        regions: one per flower, the extent of what is visible of its head.
        masks: one per region, (H, W), true where the head is what shows in more than half of the pixel.
        shares: one per region, how much of its head shows, at least a third; the edge may hide some, too.
    """

    image: NDArray[np.uint8]
    regions: tuple[Region, ...]
    masks: tuple[NDArray[np.bool_], ...]
    shares: tuple[float, ...]


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
    """Draw one to five flowers of any tag, some overlapping; at least a third of each head shows.

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
    shares = tuple(float(flower.visible.sum()) / flower.area for flower in planted)
    return Scene(expose(rng, picture), regions, masks, shares)


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
    area = float(head.alpha.sum())
    clear = (1 - coverage(green, frame)) * (1 - own)
    shown = [(own.sum(), area), *((float((other.visible * clear).sum()), other.area) for other in planted)]
    if any(visible < _LEAST_VISIBLE * whole for visible, whole in shown):
        return
    for other in planted:
        other.visible = other.visible * clear
    for layer in (green, head):
        _drop(picture, layer, light, radius, flat)
    planted.append(_Planted(flower.tag, area, own))


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


def daylight(rng: Generator) -> Light:
    """Sun from a random side in front, from hard noon to an overcast sky."""
    around, height = rng.uniform(np.pi, 2 * np.pi), rng.uniform(0.5, 1.3)
    direction = np.array(
        [np.cos(around) * np.cos(height), np.sin(around) * np.cos(height), np.sin(height)], np.float32
    )
    sun = mix((1.0, 0.98, 0.95), (1.10, 0.95, 0.78), rng.random() ** 2)
    sky = mix((0.98, 1.0, 1.0), (0.88, 0.97, 1.12), rng.random())
    return Light(direction, sun, sky, float(rng.uniform(0.42, 0.75)))


def dapple(rng: Generator, picture: Array) -> None:
    """Let shadows of unseen leaves, or of the photographer, fall on some pictures, in place."""
    if rng.random() < 0.3:
        frame = picture.shape[0], picture.shape[1]
        pattern = noise(rng, frame, min(frame) * rng.uniform(0.2, 0.6), 3) + rng.uniform(-0.4, 0.8)
        shade = soften(np.clip(0.5 + pattern * 1.5, 0, 1).astype(np.float32), min(frame) * 0.008)
        picture *= (1 - rng.uniform(0.2, 0.5) * (1 - shade))[..., None]


def expose(rng: Generator, picture: Array) -> NDArray[np.uint8]:
    """Take the photo: colour cast, exposure, haze, vignette, blur and noise; (H, W, 3) RGB."""
    warmth = rng.normal(0.015, 0.055) * np.array([1, 0, -1])
    balance = np.exp(warmth + rng.normal(0, 0.018, 3)).astype(np.float32)
    # As phones do: the brightest parts come near white, though not all the way in dim light.
    bright = float(np.quantile(picture[::4, ::4].mean(axis=2), 0.96))
    gain = (float(np.exp(rng.normal(-0.08, 0.14))) / max(bright, 0.1)) ** 0.75
    picture = picture * balance * np.float32(gain)
    picture = _haze(rng, picture)
    picture = _tone(rng, picture)
    picture = _focus(rng, picture)
    frame = picture.shape[0], picture.shape[1]
    specks = rng.standard_normal((frame[0] // 2, frame[1] // 2, 3), np.float32)
    coloured = np.asarray(cv2.resize(specks, frame[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    grains = coloured + rng.standard_normal((*frame, 1), np.float32)
    picture = picture + grains * np.float32(rng.uniform(0.004, 0.028))
    return np.asarray(cv2.convertScaleAbs(np.maximum(picture, 0), alpha=255), np.uint8)


def _haze(rng: Generator, picture: Array) -> Array:
    rows = np.linspace(-1, 1, picture.shape[0], dtype=np.float32)[:, None]
    columns = np.linspace(-1, 1, picture.shape[1], dtype=np.float32)[None, :]
    turn = rng.uniform(0, 2 * np.pi)
    slope = 1 + rng.uniform(0, 0.22) * (np.cos(turn) * columns + np.sin(turn) * rows)
    vignette = 1 - rng.uniform(0, 0.3) * (rows**2 + columns**2) / 2
    picture = picture * (slope * vignette)[..., None]
    if rng.random() < 0.25:
        veil = mix((0.95, 0.92, 0.82), (0.85, 0.92, 1.0), rng.random())
        picture = mix(picture, veil, rng.uniform(0.05, 0.25) * np.clip(slope - 0.6, 0, 1)[..., None])
    return picture


def _tone(rng: Generator, picture: Array) -> Array:
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * np.float32(rng.uniform(0.85, 1.2))
    # A shoulder instead of clipping keeps the shape of white petals in the sun.
    bright = cv2.pow(np.maximum(picture, 0), float(rng.uniform(0.78, 1.08)))
    excess = np.maximum(bright - np.float32(0.75), 0)
    return np.asarray(np.minimum(bright, np.float32(0.75)) + excess / (1 + 4 * excess), np.float32)


def _focus(rng: Generator, picture: Array) -> Array:
    edge = min(picture.shape[:2])
    if rng.random() < 0.12:
        length = edge * rng.uniform(0.004, 0.014)
        turn = rng.uniform(0, np.pi)
        kernel = np.zeros((15, 15), np.float32)
        tip = (7 + length * np.cos(turn), 7 + length * np.sin(turn))
        back = (7 - length * np.cos(turn), 7 - length * np.sin(turn))
        cv2.line(kernel, (round(back[0]), round(back[1])), (round(tip[0]), round(tip[1])), 1.0)
        return np.asarray(cv2.filter2D(picture, -1, kernel / kernel.sum()), np.float32)
    sharpest, softest = ((0.0, 0.2), (0.3, 0.7), (0.8, 1.6))[rng.choice(3, p=[0.35, 0.5, 0.15])]
    return soften(picture, float(rng.uniform(sharpest, softest)))
