"""Daffodils: six broad tepals in two whorls behind a frilled trumpet."""

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

# Base and tip of the tepals, and how often each pair grows.
_TEPALS = (
    ((0.96, 0.80, 0.12), (0.98, 0.86, 0.20), 0.33),
    ((0.97, 0.92, 0.60), (0.98, 0.94, 0.74), 0.22),
    ((0.95, 0.96, 0.90), (0.98, 0.98, 0.96), 0.45),
)
# Foot and rim of the corona.
_CORONAS = (
    ((0.94, 0.72, 0.06), (0.98, 0.80, 0.10), 0.30),
    ((0.97, 0.70, 0.08), (0.97, 0.55, 0.06), 0.28),
    ((0.96, 0.62, 0.06), (0.92, 0.36, 0.08), 0.20),
    ((0.96, 0.90, 0.62), (0.95, 0.62, 0.50), 0.12),
    ((0.96, 0.92, 0.60), (0.97, 0.94, 0.72), 0.10),
)


def daffodil(rng: Generator) -> Mesh:
    """A daffodil's head of radius 1 around z, with the tube behind it."""
    tepals = _TEPALS[rng.choice(len(_TEPALS), p=[row[2] for row in _TEPALS])]
    corona = _CORONAS[rng.choice(len(_CORONAS), p=[row[2] for row in _CORONAS])]
    start = float(rng.uniform(0, 2 * np.pi))
    opening = float(rng.uniform(-0.12, 0.28))
    broad = float(rng.uniform(0.32, 0.44))
    depth = float(rng.choice([rng.uniform(0.28, 0.45), rng.uniform(0.5, 0.85)], p=[0.35, 0.65]))
    outer = _whorl(rng, start, opening - 0.08, broad, tepals[:2], -0.04)
    inner = _whorl(rng, start + np.pi / 3, opening + 0.05, broad * 0.93, tepals[:2], 0.03)
    return join([outer, inner, _corona(rng, depth, corona[:2]), _tube(), _stamens(rng, depth)])


def _whorl(
    rng: Generator,
    start: float,
    opening: float,
    broad: float,
    colours: tuple[tuple[float, ...], ...],
    height: float,
) -> Mesh:
    petals = Petals(
        azimuth=(start + np.arange(3) * 2 * np.pi / 3 + rng.normal(0, 0.05, 3)).astype(np.float32),
        radius=0.10,
        height=height,
        length=0.9 * rng.uniform(0.94, 1.04, 3),
        width=broad * rng.uniform(0.94, 1.06, 3),
        rise=opening + rng.normal(0, 0.06, 3),
        bend=rng.normal(-0.1, 0.22, 3),
        cup=rng.normal(0.35, 0.3, 3),
        twist=rng.normal(0, 0.22, 3),
        wave=rng.uniform(0.02, 0.12),
        sway=rng.normal(0, 0.05, 3),
    )
    along, across = cells(16, 12)
    points = petal_points(petals, _ovate, 16, 12)
    tone = mix(colours[0], colours[1], along)
    veins = 1 - 0.045 * np.cos(across * 16) - 0.10 * np.exp(-((across / 0.13) ** 2)) * (1 - along)
    return from_grid(points, tone * veins * (0.86 + 0.14 * np.minimum(along / 0.35, 1)))


def _ovate(along: Array) -> Array:
    body = np.maximum(np.sin(np.pi * along**0.82), 0) ** 0.62
    return np.asarray(np.maximum(body * (1 - 0.1 * along), 0.2 * (1 - along) ** 0.5), np.float32)


def _corona(rng: Generator, depth: float, colours: tuple[tuple[float, ...], ...]) -> Mesh:
    steps, around = 18, 145
    along = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    turn = np.linspace(0, 2 * np.pi, around, dtype=np.float32)[None, :]
    throat = float(rng.uniform(0.17, 0.23))
    mouth = float(rng.uniform(0.30, 0.42)) if depth > 0.48 else float(rng.uniform(0.28, 0.38))
    frill = float(rng.uniform(0.02, 0.045))
    waves = int(rng.integers(9, 15))
    flare = along ** float(rng.uniform(1.8, 3.5))
    ripple = np.sin(waves * turn + 0.8 * np.sin(2 * turn + rng.uniform(0, 6))) * along**3
    ripple = ripple + 0.25 * np.sin((2 * waves + 3) * turn + rng.uniform(0, 6)) * along**5
    radius = throat + (mouth - throat) * (0.3 * along + 0.7 * flare) + frill * ripple
    height = depth * np.sin(along * np.pi / 2 * 0.85) / np.sin(np.pi / 2 * 0.85) - 0.5 * frill * ripple**2
    tone = mix(colours[0], colours[1], np.clip((along[:-1] - 0.25) * 1.6, 0, 1)[None, :, :, None])
    ridges = 1 - 0.07 * np.cos(turn[:, :-1] * 24)[None, :, :, None]
    inward = 0.75 + 0.25 * along[:-1][None, :, :, None]
    ring = np.linspace(0, 1.05, 4, dtype=np.float32)[:, None].repeat(25, axis=1)
    floor = from_grid(revolve(throat * ring, 0.11 + 0 * ring), mix(colours[0], (0.45, 0.52, 0.12), 0.5) * 0.7)
    return join([floor, from_grid(revolve(radius, height), tone * ridges * inward)])


def _tube() -> Mesh:
    along = np.linspace(0, 1, 8, dtype=np.float32)[:, None]
    bulge = 0.075 + 0.045 * np.exp(-(((along - 0.8) / 0.16) ** 2)) + 0.08 * np.exp(-((along / 0.2) ** 2))
    points = revolve(np.repeat(bulge, 21, axis=1), np.repeat(-0.5 * along, 21, axis=1))
    tone = mix((0.80, 0.80, 0.36), (0.38, 0.55, 0.22), along[:-1][None, :, :, None])
    return from_grid(points, tone)


def _stamens(rng: Generator, depth: float) -> Mesh:
    turn = np.arange(6) * np.pi / 3 + rng.uniform(0, 1)
    centres = np.stack([0.085 * np.cos(turn), 0.085 * np.sin(turn), np.full(6, depth * 0.45)], axis=1)
    centres = np.concatenate([centres, [[0, 0, depth * 0.6]]]).astype(np.float32)
    colours = np.tile(np.array([[0.95, 0.80, 0.25]], np.float32), (7, 1))
    return beads(centres, np.full(7, 0.045, np.float32), colours)
