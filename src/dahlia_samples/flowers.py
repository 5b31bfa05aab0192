"""Flowers: the head that a tag names, stem and leaves; and the small flowers that no tag names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from dahlia.errors import ConfigError
from dahlia_samples.heads import daffodil, dahlia, daisy
from dahlia_samples.mesh import (
    Array,
    Mesh,
    Petals,
    Pose,
    Profile,
    beads,
    cells,
    from_grid,
    join,
    mix,
    petal_points,
    place,
    ribbon,
    rotation_to,
)


@dataclass(frozen=True, slots=True)
class Species:
    """How a tag's flowers grow.

    Attributes:
        head: draws a head of radius 1 around z.
        tilt: least and greatest angle between the head's axis and the viewer, radians.
        nods: whether it faces to the sides rather than upwards.
        neck: length of what hides the head's own back, in radii.
        stem: half width of the stem, in radii.
        leaves: shape of the leaves and how many at most.
    """

    head: Callable[[Generator], Mesh]
    tilt: tuple[float, float]
    nods: bool
    neck: float
    stem: float
    leaves: tuple[LeafForm, int]


@dataclass(frozen=True, slots=True)
class LeafForm:
    """A leaf's outline, half width per length, range of lengths in flower radii, and angle to the stem."""

    profile: Profile
    width: float
    length: tuple[float, float]
    spread: tuple[float, float]
    tones: tuple[tuple[float, float, float], tuple[float, float, float]]
    veins: float


def _ovate(along: Array) -> Array:
    teeth = 1 + 0.07 * np.sin(along * 44)
    return np.asarray(np.maximum(np.sin(np.pi * along**0.7), 0.02) ** 0.9 * teeth, np.float32)


def _spoon(along: Array) -> Array:
    return np.asarray(0.25 + 0.75 * np.exp(-(((along - 0.72) / 0.26) ** 2)) * (1 - along**9), np.float32)


def _blade(along: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(1 - along**2.5, 0)) * (0.7 + 0.3 * along), np.float32)


DENTATE = LeafForm(_ovate, 0.26, (0.7, 1.4), (0.6, 2.2), ((0.12, 0.28, 0.09), (0.28, 0.46, 0.16)), 0.1)
SPATULATE = LeafForm(_spoon, 0.15, (0.5, 0.9), (0.3, 1.3), ((0.22, 0.38, 0.12), (0.38, 0.56, 0.20)), 0.05)
STRAP = LeafForm(_blade, 0.035, (3.0, 5.5), (2.7, 3.2), ((0.20, 0.40, 0.20), (0.40, 0.60, 0.32)), 0.0)
_FORMS = (DENTATE, SPATULATE, STRAP)
_PETITE = (
    (0.98, 0.85, 0.12),
    (0.42, 0.48, 0.90),
    (0.86, 0.16, 0.14),
    (0.96, 0.96, 0.98),
    (0.70, 0.35, 0.78),
    (0.96, 0.60, 0.72),
    (0.97, 0.60, 0.15),
)


def stem(path: Array, width: float, tone: Array) -> Mesh:
    """A stem along (U, 3) pixels with `width` as its half width."""
    return ribbon(path, np.linspace(0.85 * width, 1.2 * width, len(path), dtype=np.float32), tone)


def leaf(form: LeafForm, rng: Generator, foot: Array, size: float, turn: float) -> Mesh:
    """A leaf of `size` pixels from `foot` (x, y, z) in the direction `turn`, radians clockwise from right."""
    shape = Petals(
        azimuth=np.array([turn], np.float32),
        radius=0.0,
        height=0.0,
        length=1.0,
        width=form.width * rng.uniform(0.8, 1.2),
        rise=rng.normal(0.1, 0.25),
        bend=rng.normal(-0.4, 0.35),
        cup=rng.uniform(-0.7, 0.2),
        twist=rng.normal(0, 0.5),
        wave=form.veins * 0.8,
        sway=rng.normal(0, 0.12),
    )
    along, across = cells(14, 8)
    tone = mix(form.tones[0], form.tones[1], rng.random()) * rng.uniform(0.85, 1.15, 3).astype(np.float32)
    rib = 1 + 0.35 * np.exp(-((across / 0.14) ** 2)) + form.veins * np.sin(along * 40 - np.abs(across) * 9)
    points = petal_points(shape, form.profile, 14, 8) * np.float32(size)
    return from_grid((points + foot + np.array([0, 0, -0.1 * size])).astype(np.float32), tone * rib)


def any_leaf(rng: Generator, foot: Array, size: float, turn: float) -> Mesh:
    """A leaf of a random form; see `leaf`."""
    return leaf(_FORMS[rng.choice(3, p=[0.45, 0.35, 0.2])], rng, foot, size, turn)


def dry(mesh: Mesh, rng: Generator) -> Mesh:
    """The same leaf, withered."""
    brown = mix((0.45, 0.26, 0.10), (0.70, 0.48, 0.20), rng.random())
    return replace(mesh, colours=mesh.colours.mean(axis=1, keepdims=True) * brown * np.float32(3.2))


def small_flower(rng: Generator, centre: tuple[float, float], radius: float) -> Mesh:
    """A simple flower of four or five petals, of no tag."""
    count = int(rng.integers(4, 6))
    petals = Petals(
        azimuth=(np.arange(count) * 2 * np.pi / count + rng.normal(0, 0.06, count)).astype(np.float32),
        radius=0.02,
        height=0.0,
        length=0.95,
        width=rng.uniform(0.4, 0.62),
        rise=rng.uniform(0, 0.6),
        bend=-0.2,
    )
    colour = np.array(_PETITE[rng.integers(len(_PETITE))], np.float32)
    points = petal_points(petals, lambda along: np.sqrt(np.maximum(np.sin(np.pi * along**1.3), 0.01)), 5, 4)
    gold = np.array([[0.9, 0.75, 0.2]], np.float32)
    heart = beads(np.array([[0, 0, 0.1]], np.float32), np.array([0.2], np.float32), gold)
    tilt, toward = rng.uniform(0, 0.8), rng.uniform(0, 2 * np.pi)
    axis = np.array([np.sin(tilt) * np.cos(toward), np.sin(tilt) * np.sin(toward), np.cos(tilt)])
    pose = Pose(rotation_to(axis, float(rng.uniform(0, 6))), np.array([*centre, 0], np.float32), radius)
    return place(join([from_grid(points, colour * (0.8 + 0.2 * cells(5, 4)[0])), heart]), pose)


SPECIES = {
    "daisy": Species(daisy, (0.0, 1.15), False, 0.05, 0.045, (SPATULATE, 3)),
    "daffodil": Species(daffodil, (0.1, 1.45), True, 0.48, 0.06, (STRAP, 5)),
    "dahlia": Species(dahlia, (0.0, 0.95), False, 0.05, 0.06, (DENTATE, 6)),
}
TAGS = tuple(sorted(SPECIES))


@dataclass(frozen=True, slots=True)
class Flower:
    """A flower in the picture, in pixels: what its tag names, and the green beneath it."""

    tag: str
    head: Mesh
    green: Mesh
    radius: float


def grow(tag: str, rng: Generator, centre: tuple[float, float], radius: float, fall: float) -> Flower:
    """Grow a flower with a random pose.

    Args:
        tag: one of `TAGS`.
        rng: all chance comes from here.
        centre: x and y of the head, pixels.
        radius: of the head, pixels.
        fall: direction of the ground, radians clockwise from straight down.

    Raises:
        ConfigError: no such tag.
    """
    if tag not in SPECIES:
        raise ConfigError(f"Expected one of the tags {', '.join(TAGS)}, received {tag!r}. Use one of them.")
    species = SPECIES[tag]
    pose = Pose(_facing(species, rng, fall), np.array([*centre, 0], np.float32), radius)
    return Flower(tag, place(species.head(rng), pose), _green(species, rng, pose, fall), radius)


def _facing(species: Species, rng: Generator, fall: float) -> Array:
    tilt = float(rng.uniform(*species.tilt)) if rng.random() < 0.75 else float(rng.uniform(0, 0.5))
    if species.nods:
        sideways = rng.choice([-1, 1]) * rng.uniform(0.6, 1.9)
        toward = np.pi / 2 + fall + np.pi - sideways
    else:
        toward = np.pi / 2 + fall + np.pi + rng.normal(0, 0.6)
    axis = np.array([np.sin(tilt) * np.cos(toward), np.sin(tilt) * np.sin(toward), np.cos(tilt)])
    return rotation_to(axis, float(rng.uniform(0, 2 * np.pi)))


def _green(species: Species, rng: Generator, pose: Pose, fall: float) -> Mesh:
    down = np.array([-np.sin(fall), np.cos(fall)])
    start = pose.centre - pose.axis * species.neck * pose.scale
    side = np.array([-down[1], down[0]]) * rng.normal(0, 0.5)
    end = np.array([*(pose.centre[:2] + (down * 7 + side) * pose.scale), -1.2 * pose.scale])
    bow = start - pose.axis * 0.9 * pose.scale
    path = _bezier(start, bow, bow * 0.55 + end * 0.45 + np.array([*(side * pose.scale), 0]), end)
    tone = rng.uniform((0.26, 0.44, 0.12), (0.42, 0.60, 0.26)).astype(np.float32)
    form, most = species.leaves
    parts = [stem(path, species.stem * pose.scale, tone)]
    for _ in range(int(rng.integers(most // 3, most + 1))):
        place_on_stem = path[int(rng.integers(6, len(path) - (8 if form is not STRAP else 1)))]
        size = pose.scale * rng.uniform(*form.length)
        turn = np.pi / 2 + fall + rng.choice([-1, 1]) * rng.uniform(*form.spread)
        parts.append(leaf(form, rng, place_on_stem, size, turn))
    return join(parts)


def _bezier(first: Array, second: Array, third: Array, fourth: Array) -> Array:
    along = np.linspace(0, 1, 36, dtype=np.float32)[:, None]
    rest = 1 - along
    curve = rest**3 * first + 3 * rest**2 * along * second + 3 * rest * along**2 * third + along**3 * fourth
    return np.asarray(curve, np.float32)
