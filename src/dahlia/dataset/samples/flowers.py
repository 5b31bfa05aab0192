"""The three tags: which head each has, how it holds it, and how its stem and leaves grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dahlia.dataset.samples.daffodil import daffodil
from dahlia.dataset.samples.dahlias import dahlia
from dahlia.dataset.samples.daisy import daisy
from dahlia.dataset.samples.greenery import DENTATE, SPATULATE, STRAP, LeafForm, leaf, stem
from dahlia.dataset.samples.mesh import Array, Mesh, Pose, join, place, rotation_to
from dahlia.errors import ConfigError


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
