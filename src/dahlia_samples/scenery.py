"""Backgrounds: grass, foliage, soil, stone, wood, sky and light between leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from dahlia_samples.flowers import any_leaf, dry, small_flower
from dahlia_samples.mesh import Array, Mesh, join, mix
from dahlia_samples.render import Light, blur, cast, over, render, soften

Frame = tuple[int, int]


def noise(rng: Generator, frame: Frame, grain: float, octaves: int = 4, stretch: float = 1.0) -> Array:
    """Smooth noise (H, W) about 0 with a spread near 1.

    Args:
        rng: all chance comes from here.
        frame: height and width.
        grain: size of the largest features, pixels.
        octaves: each adds features of half the size and 0.6 of the strength.
        stretch: how many times longer than high the features are.
    """
    total = np.zeros(frame, np.float32)
    for octave in range(octaves):
        size = grain / 2**octave
        shape = (int(frame[0] / size) + 3, int(frame[1] / size / stretch) + 3)
        rough = rng.standard_normal(shape, np.float32)
        total += 0.6**octave * cv2.resize(rough, frame[::-1], interpolation=cv2.INTER_CUBIC)
    return total


def backdrop(rng: Generator, frame: Frame, light: Light) -> tuple[Array, bool]:
    """A background (H, W, 3) and whether it is a surface on which flowers lie."""
    kinds = list(_KINDS)
    name = kinds[rng.choice(len(kinds), p=[_KINDS[kind][1] for kind in kinds])]
    draw, _, focus, flat = _KINDS[name]
    picture = draw(rng, frame, light)
    _scatter(rng, picture, light, flat)
    sharpness = float(rng.uniform(*focus)) * min(frame) / 400
    return soften(np.asarray(picture, np.float32), sharpness), flat


def _scatter(rng: Generator, picture: Array, light: Light, flat: bool) -> None:
    frame = picture.shape[0], picture.shape[1]
    edge = min(frame)
    for _ in range(int(rng.integers(0, 9))):
        foot = np.array([rng.uniform(0, frame[1]), rng.uniform(0, frame[0]), 0], np.float32)
        mesh = any_leaf(rng, foot, edge * rng.uniform(0.08, 0.3), rng.uniform(0, 6.3))
        mesh = dry(mesh, rng) if flat and rng.random() < 0.6 else mesh
        _lay(picture, mesh, light, edge)
    most = (0, 3, 15)[rng.choice(3, p=[0.35, 0.35, 0.3])]
    for _ in range(int(rng.integers(most // 3, most + 1))):
        centre = float(rng.uniform(0, frame[1])), float(rng.uniform(0, frame[0]))
        _lay(picture, small_flower(rng, centre, edge * rng.uniform(0.02, 0.07)), light, edge)


def _lay(picture: Array, mesh: Mesh, light: Light, edge: int) -> None:
    frame = picture.shape[0], picture.shape[1]
    layer = render(mesh, light, frame, detail=1, reach=edge * 0.03)
    cast(picture, layer, light, edge * 0.012, 0.5)
    over(picture, layer)


def _foliage(rng: Generator, frame: Frame, light: Light) -> Array:
    dark = rng.uniform((0.03, 0.08, 0.03), (0.10, 0.18, 0.08))
    picture = _tinted(dark, dark * 1.8, noise(rng, frame, min(frame) / 3))
    for depth in range(3):
        meshes = []
        for _ in range(int(rng.integers(8, 16))):
            foot = np.array([rng.uniform(-0.1, 1.1) * frame[1], rng.uniform(-0.1, 1.1) * frame[0], 0])
            mesh = any_leaf(rng, foot, min(frame) * rng.uniform(0.18, 0.5), rng.uniform(0, 6.3))
            meshes.append(replace(mesh, colours=mesh.colours * np.float32(0.5 + 0.2 * depth)))
        layer = render(join(meshes), light, frame, detail=1, reach=min(frame) * 0.06)
        over(picture, blur(layer, (2 - depth) * 2.0))
    return picture


def _grass(rng: Generator, frame: Frame, light: Light) -> Array:
    height, width = frame
    low = rng.uniform((0.06, 0.14, 0.04), (0.16, 0.24, 0.08))
    high = rng.uniform((0.36, 0.50, 0.14), (0.58, 0.68, 0.30))
    picture = _tinted(low, mix(low, high, 0.3), noise(rng, frame, min(frame) / 4))
    for depth in (0.25, 0.5, 0.75, 1.0):
        for _ in range(60):
            lean = float(rng.normal(0, 0.25))
            foot = np.array([rng.uniform(-0.1, 1.1) * width, rng.uniform(0.25, 1.3) * height])
            reach = height * rng.uniform(0.25, 0.7)
            colour = mix(low, high, depth * rng.uniform(0.5, 1.1)) * light.sun
            _blade(picture, foot, lean, reach, min(frame) * rng.uniform(0.006, 0.014), colour)
        picture = soften(picture, (1 - depth) * 2.5)
    return picture


def _blade(picture: Array, foot: Array, lean: float, reach: float, width: float, colour: Array) -> None:
    along = np.linspace(0, 1, 7)
    x = foot[0] + reach * (lean * along + lean * 1.2 * along**2)
    y = foot[1] - reach * along
    half = width * (1 - along**1.5)
    outline = np.concatenate([np.stack([x - half, y], 1), np.stack([x + half, y], 1)[::-1]])
    cv2.fillPoly(picture, [np.round(outline * 8).astype(np.int32)], colour.tolist(), cv2.LINE_8, 3)


def _soil(rng: Generator, frame: Frame, light: Light) -> Array:
    dark = mix((0.15, 0.10, 0.07), (0.28, 0.21, 0.15), rng.random()) * rng.uniform(0.93, 1.07, 3)
    picture = _tinted(dark, dark * 2.1, noise(rng, frame, min(frame) / 6, 6))
    picture *= 1 + 0.22 * noise(rng, frame, 5, 2)[..., None]
    for _ in range(int(rng.integers(20, 90))):
        centre = (int(rng.uniform(0, frame[1])), int(rng.uniform(0, frame[0])))
        axes = rng.uniform(0.004, 0.022, 2) * min(frame)
        tone = (dark * rng.uniform(1.2, 3.0) + rng.uniform(0, 0.1)) * light.sun
        for shift, share in ((2, 0.3), (0, 0.8), (-1, 1.0)):
            place = (centre[0] + shift, centre[1] + shift)
            size = (int(axes[0] * share) + 1, int(axes[1] * share) + 1)
            cv2.ellipse(picture, place, size, float(rng.uniform(0, 20)), 0, 360, (tone * share).tolist(), -1)
    return picture


def _stone(rng: Generator, frame: Frame, light: Light) -> Array:
    grey = rng.uniform(0.36, 0.66) * mix((1.06, 0.98, 0.88), (0.95, 0.99, 1.03), rng.random())
    picture = _tinted(grey * 0.72, grey * 1.15, noise(rng, frame, min(frame) / 3, 6))
    picture *= 1 + 0.08 * noise(rng, frame, 3, 1)[..., None]
    if rng.random() < 0.6:
        tile, shift = min(frame) * rng.uniform(0.25, 0.6), rng.uniform(0, 100, 2)
        warp = 3 * noise(rng, frame, 60, 2)
        rows, columns = np.mgrid[: frame[0], : frame[1]].astype(np.float32)
        course = np.floor((rows + shift[0] + warp) / (tile * 0.6))
        sideways = columns + shift[1] + warp + course * tile / 2
        gap = np.minimum((rows + shift[0] + warp) % (tile * 0.6), sideways % tile)
        picture *= (0.45 + 0.55 * np.clip((gap - 2) / 3, 0, 1))[..., None]
    return picture * light.sun


def _wood(rng: Generator, frame: Frame, light: Light) -> Array:
    across = rng.random() < 0.5
    height, width = frame if across else frame[::-1]
    tone = mix((0.32, 0.20, 0.11), (0.72, 0.58, 0.42), rng.random()) * rng.uniform(0.92, 1.08, 3)
    grain = noise(rng, (height, width), min(frame) / 12, 4, 14) + 0.6 * noise(rng, (height, width), 4, 2, 30)
    plank = height / rng.uniform(2.5, 6)
    rows = np.arange(height)[:, None] + rng.uniform(0, plank)
    shades = rng.uniform(0.78, 1.12, 9)[(rows // plank).astype(int)]
    joint = 0.35 + 0.65 * np.clip((rows % plank - 1.5) / 2.5, 0, 1)
    picture = tone * ((1 + 0.10 * grain) * shades * joint)[..., None]
    return np.ascontiguousarray(picture if across else picture.transpose(1, 0, 2), np.float32) * light.sun


def _sky(rng: Generator, frame: Frame, light: Light) -> Array:
    fade = np.linspace(0, 1, frame[0], dtype=np.float32)[:, None, None]
    blue = mix((0.22, 0.45, 0.80), (0.48, 0.68, 0.90), rng.random())
    picture = mix(blue, mix(blue, (0.92, 0.94, 0.96), 0.7), fade) * np.ones((1, frame[1], 1), np.float32)
    clouds = np.clip(noise(rng, frame, min(frame) / 2, 5, 1.6) * 0.6 + rng.uniform(-0.5, 0.5), 0, 1)
    picture = mix(picture, (0.96, 0.96, 0.97), clouds[..., None])
    if rng.random() < 0.7:
        crest = noise(rng, (1, frame[1]), min(frame) / 4, 5)
        edge = frame[0] * (rng.uniform(0.55, 0.95) + 0.08 * crest)
        hill = np.clip((np.arange(frame[0])[:, None] - edge) / 6, 0, 1)[..., None]
        green = rng.uniform((0.12, 0.24, 0.08), (0.30, 0.42, 0.20))
        picture = mix(picture, _tinted(green * 0.7, green * 1.4, noise(rng, frame, 30, 4)), hill)
    return picture


def _bokeh(rng: Generator, frame: Frame, light: Light) -> Array:
    shade = rng.uniform((0.04, 0.09, 0.05), (0.24, 0.34, 0.18))
    glow = rng.uniform((0.34, 0.44, 0.16), (0.75, 0.78, 0.50))
    picture = soften(_tinted(shade, glow, noise(rng, frame, min(frame) / 2.2, 3) - 0.4), 8)
    for _ in range(int(rng.integers(6, 40))):
        x, y = int(rng.uniform(0, frame[1])), int(rng.uniform(0, frame[0]))
        size = int(min(frame) * rng.uniform(0.02, 0.09))
        colour = mix(glow, rng.uniform(0.4, 1.0, 3), rng.choice([0.2, 0.7])) * rng.uniform(0.15, 0.5)
        # A view of the picture, so that the disc is added in place.
        patch = picture[max(y - size, 0) : y + size + 1, max(x - size, 0) : x + size + 1]
        disc = np.zeros_like(patch)
        cv2.circle(disc, (min(x, size), min(y, size)), size, colour.tolist(), -1, cv2.LINE_8)
        patch += disc * (1 - 0.6 * patch)
    return soften(picture, 1.5)


def _tinted(low: ArrayLike, high: ArrayLike, values: Array) -> Array:
    share = np.clip(0.5 + 0.28 * values, 0, 1)[..., None]
    return mix(low, high, share)


# How each is drawn, how often, how far out of focus (pixels at an edge of 400), whether flowers lie on it.
_KINDS: dict[str, tuple[Callable[[Generator, Frame, Light], Array], float, tuple[float, float], bool]] = {
    "foliage": (_foliage, 0.20, (2.5, 8), False),
    "grass": (_grass, 0.20, (1.2, 6), False),
    "bokeh": (_bokeh, 0.16, (0.3, 4), False),
    "sky": (_sky, 0.11, (0.5, 4), False),
    "soil": (_soil, 0.12, (0.3, 2.5), True),
    "stone": (_stone, 0.11, (0.3, 2.5), True),
    "wood": (_wood, 0.10, (0.0, 2.0), True),
}
