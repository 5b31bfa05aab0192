"""Dahlias: many rows of rounded petals that spiral to the centre, in many forms and colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from dahlia.dataset.samples.mesh import (
    Array,
    Mesh,
    Petals,
    cells,
    from_grid,
    join,
    mix,
    petal_points,
    revolve,
)

_GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))


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
