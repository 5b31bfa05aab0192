"""Photo sets for `scenes.py`: photos drawn by chance, and training photos of a few scenes made from others.

A made set is a folder like any other: `<tag>/` with training photos and `test/<tag>/`. Each scene is a photo
of the tag, taken several times: from a little nearer or to the side, a little brighter or warmer, less sharp,
with noise. On a *shelf*, the photo also stands before a background, a photo of another set, which its scene
alone has. Test photos are of other scenes: as they are, or each before a background of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from dahlia_samples.flowers import TAGS, grow
from dahlia_samples.photos import daylight, expose
from dahlia_samples.render import cast, over, render
from dahlia_samples.scenery import backdrop

Pixels = npt.NDArray[np.uint8]
_EDGE = 224
_THING = 130  # of `_EDGE` pixels, on a shelf
_TEST_SCENES = 40


@dataclass(frozen=True)
class Design:
    """How many scenes a tag has, and how many photos a scene."""

    scenes: int
    shots: int

    def __str__(self) -> str:
        return f"{self.scenes} x {self.shots}"


def bursts(pack: Path, target: Path, design: Design, seed: int) -> None:
    """Several shots of each of a few training photos; test photos as they are."""
    rng = np.random.default_rng([seed, design.scenes])
    for tag, files in _tags(pack / "train"):
        for scene in rng.permutation(len(files))[: design.scenes]:
            photo = _read(files[scene])
            for number in range(design.shots):
                _write(target / tag / f"{scene}_{number}.jpg", shot(photo, rng))
    (target / "test").symlink_to((pack / "test").resolve())


def shelves(pack: Path, target: Path, design: Design, seed: int, backgrounds: Sequence[Path]) -> None:
    """The same before a background of the scene; each test photo before one of its own."""
    rng = np.random.default_rng([seed, design.scenes, 1])
    left = iter(rng.permutation(len(backgrounds)).tolist() * 10)
    wanted = (("train", target, design), ("test", target / "test", Design(_TEST_SCENES, 1)))
    for subset, folder, each in wanted:
        for tag, files in _tags(pack / subset):
            for scene in rng.permutation(len(files))[: each.scenes]:
                ground = np.asarray(cv2.resize(_read(backgrounds[next(left)]), (_EDGE, _EDGE)), np.uint8)
                thing = _read(files[scene])
                for number in range(each.shots):
                    photo = _before(thing, ground.copy(), rng)
                    _write(folder / tag / f"{scene}_{number}.jpg", shot(photo, rng))


def beds(target: Path, design: Design, seed: int) -> None:
    """Flowers of the sample garden: those of a bed share ground, light, exposure and kin."""
    for index, tag in enumerate(TAGS):
        for bed in range(design.scenes):
            for number in range(design.shots):
                _write(target / tag / f"{bed}_{number}.jpg", _flower(tag, [seed, index, bed], number))
        for bed in range(_TEST_SCENES):
            _write(target / "test" / tag / f"{bed}.jpg", _flower(tag, [seed, index, 1000 + bed], 0))


def shot(photo: Pixels, rng: Generator) -> Pixels:
    """The same thing a moment later: (H, W, 3) to another picture of that size."""
    height, width = photo.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    size, centre = np.array([width, height]), np.array([width, height]) / 2
    moved = corners + rng.uniform(-0.12, 0.12, (4, 2)) * size
    moved = (moved - centre) * rng.uniform(1, 1.3) + centre + rng.uniform(-0.06, 0.06, 2) * size
    view = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    seen = cv2.warpPerspective(photo, view, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    light = np.exp(rng.normal(0, 0.12)) * np.exp(rng.normal(0, 0.03, 3))
    picture = seen.astype(np.float32) * light.astype(np.float32)
    if rng.random() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.3, 1.2)) * max(height, width) / _EDGE)
    noisy = picture + rng.normal(0, rng.uniform(0, 6), picture.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _before(thing: Pixels, ground: Pixels, rng: Generator) -> Pixels:
    edge = int(rng.integers(_THING - 25, _THING + 5))
    top, left = (_EDGE - _THING) // 2 + rng.integers(-25, 26, 2)
    ground[top : top + edge, left : left + edge] = cv2.resize(thing, (edge, edge))
    return ground


def _flower(tag: str, bed: list[int], number: int) -> Pixels:
    ground, rng = np.random.default_rng(bed), np.random.default_rng([*bed, number])
    size = 256
    light = daylight(ground)
    whole, flat = backdrop(ground, (size * 3 // 2, size * 3 // 2), light)
    kin, exposure = ground.integers(1 << 30, size=2).tolist()
    top, left = rng.integers(0, size // 2, 2)
    picture = np.ascontiguousarray(whole[top : top + size, left : left + size])
    radius = size * float(rng.uniform(0.32, 0.5))
    centre = float(rng.uniform(0.4, 0.6)) * size, float(rng.uniform(0.4, 0.6)) * size
    one = np.random.default_rng([kin, int(rng.integers(2))])
    flower = grow(tag, one, centre, radius, float(rng.normal(0, 0.25)))
    for mesh, reach in ((flower.green, 0.3), (flower.head, 0.55)):
        layer = render(mesh, light, (size, size), reach=radius * reach)
        cast(picture, layer, light, radius * (0.16 if flat else 0.3), 0.5 if flat else 0.15)
        over(picture, layer)
    return expose(np.random.default_rng(exposure), picture)


def _tags(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    for tag in sorted(path for path in folder.iterdir() if path.is_dir()):
        yield tag.name, sorted(tag.glob("*.jpg"))


def _read(path: Path) -> Pixels:
    photo = cv2.imread(str(path))
    assert photo is not None, path
    enlarged = cv2.resize(photo, None, fx=4, fy=4) if max(photo.shape) < 64 else photo
    return np.asarray(enlarged, np.uint8)


def _write(path: Path, picture: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])
