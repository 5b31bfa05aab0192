"""The heads that tags name.

Daisies have one ring of narrow rays around a domed yellow disc; daffodils six broad tepals in two whorls
behind a frilled trumpet; dahlias many rows of rounded petals that spiral to the centre, in many forms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dahlia_samples.mesh import Array, Mesh, Petals, beads, cells, from_grid, join, mix, petal_points, revolve

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


@dataclass(frozen=True, slots=True)
class _Form:
    petals: tuple[int, int]
    globe: float  # radius of the body that carries the petals
    spread: float  # how far the outermost petals lean below the horizon, radians
    width: float
    cup: float
    point: float  # 0 round tips, 1 pointed ones
    lay: float  # how far petals lean away from the body's normal, radians


_FORMS = {
    "decorative": (_Form((95, 130), 0.24, 0.15, 0.20, 0.7, 0.1, 0.1), 0.38),
    "ball": (_Form((130, 180), 0.55, 0.5, 0.19, 1.1, 0.0, 0.5), 0.26),
    "waterlily": (_Form((60, 80), 0.18, -0.05, 0.23, 0.7, 0.35, 0.1), 0.20),
    "cactus": (_Form((120, 160), 0.28, 0.3, 0.13, 1.3, 0.7, 0.15), 0.16),
}
# Heart, body and tips of the petals, and how often each grows.
_COLOURS = (
    ((0.62, 0.05, 0.10), (0.80, 0.07, 0.12), (0.86, 0.12, 0.14), 0.09),
    ((0.80, 0.22, 0.44), (0.92, 0.42, 0.62), (0.96, 0.62, 0.76), 0.13),
    ((0.42, 0.10, 0.42), (0.58, 0.20, 0.62), (0.68, 0.34, 0.74), 0.10),
    ((0.86, 0.36, 0.08), (0.95, 0.50, 0.12), (0.97, 0.62, 0.24), 0.09),
    ((0.86, 0.88, 0.62), (0.96, 0.96, 0.92), (0.98, 0.98, 0.97), 0.22),
    ((0.92, 0.70, 0.08), (0.98, 0.80, 0.14), (0.99, 0.88, 0.34), 0.15),
    ((0.93, 0.78, 0.42), (0.97, 0.86, 0.62), (0.98, 0.80, 0.74), 0.08),
    ((0.72, 0.06, 0.12), (0.82, 0.10, 0.16), (0.97, 0.94, 0.92), 0.07),
    ((0.95, 0.78, 0.22), (0.96, 0.72, 0.30), (0.88, 0.30, 0.34), 0.07),
)


def dahlia(rng: Generator) -> Mesh:
    """A dahlia's head of radius 1 around z."""
    names = list(_FORMS)
    form = _FORMS[names[rng.choice(len(names), p=[_FORMS[name][1] for name in names])]][0]
    colours = _COLOURS[rng.choice(len(_COLOURS), p=[row[3] for row in _COLOURS])][:3]
    count = int(rng.integers(*form.petals))
    out = ((np.arange(count) + 0.8) / count).astype(np.float32)
    petals = _arrange(rng, form, out)
    along, across = cells(8, 6)
    points = petal_points(petals, lambda step: _rounded(step, form.point), 8, 6)
    points *= 1 / np.quantile(np.hypot(points[..., 0], points[..., 1]), 0.995)
    tone = mix(colours[0], colours[1], np.clip(out * 2.2 - 0.1, 0, 1)[:, None, None, None])
    tone = mix(tone, colours[2], along**2.2 * np.clip(out * 2, 0.2, 1)[:, None, None, None])
    veins = 1 - 0.05 * np.cos(across * 9) - 0.12 * np.exp(-((across / 0.2) ** 2)) * (1 - along)
    base = 0.62 + 0.38 * np.minimum(along / 0.6, 1)
    head = from_grid(points, tone * veins * base * rng.uniform(0.9, 1.05, (count, 1, 1, 1)))
    return join([_body(form.globe * 0.9, colours[0]), head])


def _body(globe: float, colour: tuple[float, ...]) -> Mesh:
    turn = np.repeat(np.linspace(0, np.pi / 2, 7, dtype=np.float32)[:, None], 21, axis=1)
    tone = mix(colour, (0.2, 0.3, 0.1), 0.25) * np.float32(0.7)
    return from_grid(revolve(globe * np.sin(turn), globe * np.cos(turn)), tone)


def _arrange(rng: Generator, form: _Form, out: Array) -> Petals:
    count = len(out)
    globe = form.globe * rng.uniform(0.85, 1.15)
    lean = np.pi / 2 * out**0.85 * (1 + form.spread * 2 / np.pi)
    length = (1.02 - globe) * (0.26 + 0.74 * out**0.8) * rng.normal(1, 0.035, count)
    tight = np.clip(1 - out / 0.45, 0, 1)
    spiral = np.arange(count) * _GOLDEN_ANGLE * rng.choice([-1, 1])
    return Petals(
        azimuth=(spiral + rng.normal(0, 0.05, count)).astype(np.float32),
        radius=globe * np.sin(np.minimum(lean, 2.4)) * np.minimum(1, out * 1.5 + 0.1),
        height=globe * np.cos(np.minimum(lean, 2.4)) + 0.12 * (1 - out),
        length=length,
        width=form.width * rng.uniform(0.9, 1.15) * (0.45 + 0.55 * out**0.5),
        rise=np.pi / 2 - lean - form.lay * (1 - tight) + rng.normal(0, 0.05, count),
        bend=1.1 * tight + (1 - tight) * rng.uniform(-0.45, 0.35) + rng.normal(0, 0.06, count),
        cup=form.cup * rng.uniform(0.85, 1.15) + 0.3 * tight,
        twist=rng.normal(0, 0.09, count),
        wave=rng.uniform(0, 0.06),
    )


def _rounded(along: Array, point: float) -> Array:
    round_tip = (0.35 + 0.65 * np.sqrt(np.minimum(along / 0.6, 1))) * np.sqrt(1 - along**5 * 0.97)
    sharp = (0.5 + 0.5 * np.sqrt(np.minimum(along / 0.5, 1))) * (1 - along**2.6 * 0.96)
    return np.asarray((1 - point) * round_tip + point * sharp, np.float32)
