"""Daisies: one ring of narrow rays around a domed yellow disc."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from dahlia.dataset.samples.mesh import (
    Array,
    Mesh,
    Petals,
    beads,
    cells,
    from_grid,
    join,
    mix,
    petal_points,
    revolve,
)

# Base and tip of the rays, and how often each pair grows.
_RAYS = (
    ((0.97, 0.97, 0.95), (0.98, 0.98, 0.97), 0.48),
    ((0.97, 0.95, 0.94), (0.93, 0.62, 0.74), 0.17),
    ((0.93, 0.66, 0.78), (0.88, 0.45, 0.64), 0.12),
    ((0.97, 0.93, 0.72), (0.97, 0.90, 0.60), 0.10),
    ((0.80, 0.72, 0.92), (0.68, 0.58, 0.88), 0.13),
)
_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


def daisy(rng: Generator) -> Mesh:
    """A daisy's head of radius 1 around z."""
    disc = float(rng.uniform(0.21, 0.34))
    colours = _RAYS[rng.choice(len(_RAYS), p=[row[2] for row in _RAYS])]
    least, most = ((-0.15, 0.2), (0.2, 0.6), (-0.6, -0.15))[rng.choice(3, p=[0.6, 0.2, 0.2])]
    opening = float(rng.uniform(least, most))
    count = int(rng.integers(15, 31))
    rings = [_rays(rng, count, disc, opening, colours[:2])]
    if rng.random() < 0.4:
        rings.append(_rays(rng, count - 3, disc, opening + 0.09, colours[:2], length=0.93))
    return join([*rings, *_disc(rng, disc)])


def _rays(
    rng: Generator,
    count: int,
    disc: float,
    opening: float,
    colours: tuple[tuple[float, ...], ...],
    length: float = 1.0,
) -> Mesh:
    kept = rng.random(count) > rng.choice([0.0, 0.07], p=[0.7, 0.3])
    azimuth = (np.arange(count) + rng.normal(0, 0.13, count))[kept] * 2 * np.pi / count + rng.uniform(0, 6)
    number = len(azimuth)
    petals = Petals(
        azimuth=azimuth.astype(np.float32),
        radius=disc * 0.75,
        height=0.05 * (np.arange(number) % 2) + rng.normal(0, 0.008, number),
        length=(length - disc * 0.75) * rng.uniform(0.88, 1.03, number),
        width=2.15 / count * rng.uniform(0.85, 1.15, number) * rng.uniform(0.9, 1.25),
        rise=opening * 0.6 + rng.normal(0, 0.03, number),
        bend=opening * 0.5 - 0.22 + rng.normal(0, 0.08, number),
        cup=rng.choice([-0.6, 0.5]) + rng.normal(0, 0.15, number),
        twist=rng.normal(0, 0.1, number),
        sway=rng.normal(0, 0.03, number),
    )
    points = petal_points(petals, _strap, 12, 6)
    along, across = cells(12, 6)
    tone = mix(colours[0], colours[1], along**1.5)
    furrows = 1 - 0.07 * np.cos(across * 7.5) - 0.10 * np.abs(across) ** 3
    return from_grid(points, tone * furrows * rng.uniform(0.93, 1.02, (number, 1, 1, 1)), flat_rows=True)


def _strap(along: Array) -> Array:
    return np.asarray((0.45 + 0.55 * np.sqrt(np.minimum(along / 0.45, 1))) * np.sqrt(1 - along**7 * 0.93))


def _disc(rng: Generator, disc: float) -> list[Mesh]:
    count = int(rng.integers(150, 230))
    number = np.arange(count) + 0.5
    out = np.sqrt(number / count)
    turn = number * _GOLDEN_ANGLE
    dome = float(rng.uniform(0.3, 0.75)) * disc
    dent = float(rng.choice([0.0, rng.uniform(0.15, 0.4)])) * disc
    height = 0.05 + dome * (1 - out**2) - dent * np.exp(-((out / 0.35) ** 2))
    centres = np.stack([disc * out * np.cos(turn), disc * out * np.sin(turn), height], axis=1)
    rim = mix((0.93, 0.62, 0.08), (0.99, 0.80, 0.16), rng.random())
    heart = mix((0.96, 0.78, 0.14), (0.70, 0.72, 0.16), rng.random() * 0.9)
    colours = mix(heart, rim, np.clip(out * 1.3 - 0.2, 0, 1)[:, None])
    colours = colours * rng.uniform(0.82, 1.06, (count, 1)).astype(np.float32)
    radii = np.full(count, disc * 1.15 / np.sqrt(count), np.float32)
    ring = np.linspace(0, 1.02, 6, dtype=np.float32)[:, None]
    base = revolve(np.repeat(disc * ring, 25, axis=1), np.repeat(dome * (1 - ring**2), 25, axis=1))
    return [from_grid(base, rim * np.float32(0.6)), beads(centres.astype(np.float32), radii, colours)]
