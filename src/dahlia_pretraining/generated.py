"""Pictures that are drawn: scenery, and what no camera sees but servers get: colours, noise, shapes."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from dahlia_samples.photos import daylight, expose
from dahlia_samples.scenery import backdrop, noise

Image = npt.NDArray[np.uint8]
_EDGE = 256
_FRAMES = ((384, 512), (512, 384))


def scenery(seed: int, number: int) -> Image:
    """A photo of grass, foliage, soil, stone, wood or sky without a flower in its middle; (H, W, 3) RGB."""
    rng = np.random.default_rng((seed, 1, number))
    picture, _ = backdrop(rng, _FRAMES[number % 2], daylight(rng))
    return expose(rng, picture)


def pattern(seed: int, number: int) -> Image:
    """A plain colour, a gradient, clouds, noise, or lines and shapes, in turn; (256, 256, 3) RGB."""
    rng = np.random.default_rng((seed, 2, number))
    drawn = _PATTERNS[number % len(_PATTERNS)](rng)
    return np.asarray(np.clip(drawn, 0, 255), np.uint8)


def _colour(rng: Generator) -> npt.NDArray[np.floating]:
    return rng.uniform(0, 255, 3) + rng.normal(0, rng.uniform(0, 12), (_EDGE, _EDGE, 3))


def _gradient(rng: Generator) -> npt.NDArray[np.floating]:
    first, second = rng.uniform(0, 255, (2, 3))
    down = np.linspace(0, 1, _EDGE)[:, None, None]
    across = np.linspace(1, 0, _EDGE)[None, :, None]
    return np.asarray(down * first + across * second / 2)


def _clouds(rng: Generator) -> npt.NDArray[np.floating]:
    first, second = rng.uniform(0, 255, (2, 3))
    shares = 0.5 + 0.3 * noise(rng, (_EDGE, _EDGE), rng.uniform(8, 128))
    return np.asarray(first + (second - first) * shares[..., None])


def _noise(rng: Generator) -> npt.NDArray[np.floating]:
    channels = int(rng.choice([1, 3]))
    return np.broadcast_to(rng.uniform(0, 255, (_EDGE, _EDGE, channels)), (_EDGE, _EDGE, 3))


def _shapes(rng: Generator) -> npt.NDArray[np.floating]:
    picture = np.ascontiguousarray(np.broadcast_to(rng.uniform(0, 255, 3), (_EDGE, _EDGE, 3)))
    for _ in range(int(rng.integers(1, 9))):
        (left, top), (right, bottom) = rng.integers(0, _EDGE, (2, 2)).tolist()
        colours = rng.uniform(0, 255, (2, 3)).tolist()
        cv2.rectangle(picture, (left, top), (right, bottom), colours[0], int(rng.choice([-1, 2, 6])))
        if rng.random() < 0.5:
            cv2.circle(picture, (left, top), int(rng.integers(5, 90)), colours[1], int(rng.choice([-1, 3])))
    return picture


_PATTERNS: tuple[Callable[[Generator], npt.NDArray[np.floating]], ...] = (
    _colour,
    _gradient,
    _clouds,
    _noise,
    _shapes,
)
