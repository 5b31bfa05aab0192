"""Light and camera: where the sun stands, and what a phone does to the picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from dahlia.dataset.samples.mesh import Array, mix
from dahlia.dataset.samples.render import Light, soften
from dahlia.dataset.samples.scenery import noise


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
