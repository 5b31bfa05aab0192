"""Things that are drawn: outlines of many kinds, filled, bordered and marked, as signs and tools are."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.uint8]
_EDGE = 192  # pixels of the canvas
_HALF = _EDGE / 2
_REACH = 0.42 * _EDGE  # from the middle: a turned outline stays on the canvas
_LETTERS = "ABCDEFGHKLMNPRSTUXYZ0123456789&%?"


def thing(rng: Generator, texture: Image) -> Image:
    """A thing (H, W, 4): red, green, blue and how much of a pixel it covers, 0 to 255.

    Args:
        rng: all chance comes from here.
        texture: (h, w, 3) what some are made of.
    """
    mask = _OUTLINES[rng.integers(len(_OUTLINES))](rng)
    mask = _turned(mask, float(rng.choice([0.0, rng.uniform(0, 360)])))
    filled = _marked(_filled(mask, texture, rng), mask, rng)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    part = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    alpha = cv2.GaussianBlur(mask, (0, 0), 0.8)
    return np.ascontiguousarray(np.dstack([filled, alpha])[part])


def _points(angles: npt.NDArray[np.floating], reach: npt.NDArray[np.floating]) -> npt.NDArray[np.int32]:
    around = np.stack([np.cos(angles), np.sin(angles)], -1) * np.broadcast_to(reach, angles.shape)[:, None]
    return np.round(around + _HALF).astype(np.int32)


def _blank() -> Mask:
    return np.zeros((_EDGE, _EDGE), np.uint8)


def _polygon(rng: Generator) -> Mask:
    angles = (np.arange(sides := int(rng.integers(3, 9))) + rng.choice([0.0, 0.5])) * 2 * np.pi / sides
    return _fill(_points(angles, np.full(sides, _REACH)))


def _ellipse(rng: Generator) -> Mask:
    mask = _blank()
    axes = (round(_REACH), round(_REACH * rng.uniform(0.5, 1)))
    cv2.ellipse(mask, (_EDGE // 2, _EDGE // 2), axes, 0, 0, 360, 255, -1)
    if rng.random() < 0.15:
        inner = (round(axes[0] * 0.6), round(axes[1] * 0.6))
        cv2.ellipse(mask, (_EDGE // 2, _EDGE // 2), inner, 0, 0, 360, 0, -1)
    return mask


def _blob(rng: Generator) -> Mask:
    """A closed curve whose distance from the middle is a sum of a few waves."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    reach = np.ones_like(angles)
    for wave in range(1, int(rng.integers(3, 7))):
        reach += rng.normal(0, 0.35 / wave) * np.cos(wave * angles + rng.uniform(0, 2 * np.pi))
    reach = np.clip(reach, 0.25, None)
    return _fill(_points(angles, _REACH * reach / reach.max()))


def _star(rng: Generator) -> Mask:
    tips = int(rng.integers(4, 12))
    reach = np.tile([1.0, float(rng.uniform(0.3, 0.8))], tips) * _REACH
    return _fill(_points(np.arange(2 * tips) * np.pi / tips, reach))


def _slab(rng: Generator) -> Mask:
    """A rectangle, with round corners or without."""
    mask = _blank()
    half = _REACH * np.array([1.0, rng.uniform(0.25, 1.0)])
    round_off = float(rng.choice([0.0, rng.uniform(0.1, 0.9)])) * half.min()
    low, high = np.round(_HALF - half + round_off), np.round(_HALF + half - round_off)
    corner, opposite = low.astype(int).tolist(), high.astype(int).tolist()
    cv2.rectangle(mask, corner, opposite, 255, -1)
    if round_off:
        cv2.rectangle(mask, corner, opposite, 255, round(2 * round_off))
    return mask


def _tool(rng: Generator) -> Mask:
    """A rod with something at one end or at both: spoons, keys, hammers, bottles, lamps."""
    mask = _blank()
    thick = round(_REACH * rng.uniform(0.06, 0.3))
    middle = _EDGE // 2
    first, last = round(_HALF - _REACH * 0.8), round(_HALF + _REACH * 0.8)
    cv2.line(mask, (first, middle), (last, middle), 255, thick)
    for end in (first, last)[: int(rng.integers(1, 3))]:
        reach = round(thick * rng.uniform(0.8, 2.5)) + 2
        if rng.random() < 0.3:
            for tine in np.linspace(-1, 1, int(rng.integers(2, 5))):
                place = middle + round(reach * tine)
                cv2.line(mask, (end, place), (end + round(0.35 * (last - first)), place), 255, 5)
            cv2.line(mask, (end, middle - reach), (end, middle + reach), 255, 8)
        elif rng.random() < 0.5:
            cv2.ellipse(mask, (end, middle), (round(reach * 1.4), reach), 0, 0, 360, 255, -1)
        else:
            cv2.rectangle(
                mask, (end - reach // 2, middle - reach), (end + reach // 2, middle + reach), 255, -1
            )
    return mask


def _built(rng: Generator) -> Mask:
    """Pieces in a row and on each other, mirrored or not: machines, vehicles, vessels, toys."""
    mask = _blank()
    for _ in range(int(rng.integers(2, 6))):
        centre = _HALF + rng.uniform(-0.5, 0.5, 2) * _REACH * (1, 0.7)
        half = _REACH * rng.uniform(0.15, 0.5, 2)
        low, high = np.round(centre - half).astype(int).tolist(), np.round(centre + half).astype(int).tolist()
        if rng.random() < 0.6:
            cv2.rectangle(mask, low, high, 255, -1)
        else:
            middle, axes = np.round(centre).astype(int).tolist(), np.round(half).astype(int).tolist()
            cv2.ellipse(mask, middle, axes, 0, 0, 360, 255, -1)
        cv2.line(mask, np.round(centre).astype(int).tolist(), (_EDGE // 2, _EDGE // 2), 255, 9)
    return np.maximum(mask, mask[:, ::-1]) if rng.random() < 0.5 else mask


def _letter(rng: Generator) -> Mask:
    mask = _blank()
    text = _LETTERS[rng.integers(len(_LETTERS))]
    thick = int(rng.integers(6, 26))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 4.0, thick)
    at = ((_EDGE - width) // 2, (_EDGE + height) // 2)
    cv2.putText(mask, text, at, cv2.FONT_HERSHEY_DUPLEX, 4.0, 255, thick, cv2.LINE_AA)
    return mask


def _fill(points: npt.NDArray[np.int32]) -> Mask:
    mask = _blank()
    cv2.fillPoly(mask, [points], 255)
    return mask


def _turned(mask: Mask, degrees: float) -> Mask:
    change = cv2.getRotationMatrix2D((_HALF, _HALF), degrees, 1)
    turned = np.asarray(cv2.warpAffine(mask, change, (_EDGE, _EDGE)), np.uint8)
    return np.where(turned > 127, np.uint8(255), np.uint8(0))


def _filled(mask: Mask, texture: Image, rng: Generator) -> Image:
    picture = np.empty((_EDGE, _EDGE, 3), np.float32)
    picture[...] = rng.uniform(0, 255, 3)
    if rng.random() < 0.5:
        stretched = cv2.resize(texture, (_EDGE, _EDGE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        share = rng.uniform(0.3, 1)
        picture = (1 - share) * picture + share * stretched
    if rng.random() < 0.6:  # light from one side
        slope = np.linspace(-1, 1, _EDGE, dtype=np.float32) * np.float32(rng.uniform(20, 70))
        picture = picture + (slope[:, None, None] if rng.random() < 0.5 else slope[None, :, None])
    if rng.random() < 0.4:  # darker towards the outline, as round things are
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        picture = picture * (0.4 + 0.6 * np.sqrt(depth / max(1.0, float(depth.max()))))[..., None]
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def _marked(picture: Image, mask: Mask, rng: Generator) -> Image:
    """What is on a thing: a rim, bars, spots, letters and smaller outlines."""
    picture = np.ascontiguousarray(picture)
    rows, columns = np.nonzero(mask)
    for _ in range(int(rng.integers(0, 6))):
        pick = int(rng.integers(len(rows)))
        at = (int(columns[pick]), int(rows[pick]))
        colour = rng.uniform(0, 255, 3).tolist()
        reach = int(rng.integers(4, 45))
        kind = rng.integers(4)
        if kind == 0:
            cv2.circle(picture, at, reach, colour, int(rng.choice([-1, 4])))
        elif kind == 1:
            other = (at[0] + int(rng.integers(-60, 60)), at[1] + int(rng.integers(-60, 60)))
            cv2.line(picture, at, other, colour, int(rng.integers(2, 14)), cv2.LINE_AA)
        elif kind == 2:
            cv2.rectangle(picture, at, (at[0] + reach, at[1] + reach // 2), colour, -1)
        else:
            text = "".join(rng.choice(list(_LETTERS), int(rng.integers(1, 5))))
            scale = float(rng.uniform(0.6, 2.2))
            cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 4, cv2.LINE_AA)
    if rng.random() < 0.45:
        outlines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, outlines, -1, rng.uniform(0, 255, 3).tolist(), int(rng.integers(3, 26)))
    return picture


_OUTLINES: tuple[Callable[[Generator], Mask], ...] = (
    _polygon,
    _ellipse,
    _blob,
    _star,
    _slab,
    _tool,
    _built,
    _letter,
)
