"""Scenes of things at places that are known to the pixel, for what finds things of any kind.

Things are cut out of the photos of a corpus, or drawn; behind them is scenery, a surface made of a corner of
a photo, or a plain one. Nothing but a thing itself may tell where its box ends: there is no tile whose border
could be learned, things cast shadows, and blur, noise and colours are of the whole picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from dahlia.training.detection.views import Scene, recoloured
from dahlia_pretraining.corpus import Corpus
from dahlia_pretraining.cutouts import Cutout
from dahlia_pretraining.generated import pattern, scenery
from dahlia_pretraining.things import thing

Image = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float32]
_PATTERNS = (0, 1, 2, 3)  # of those of `pattern`: not its shapes, which are things
_KINDS_OF_PATTERN = 5
_LEAST_EDGE = 12.0  # pixels, of the shorter edge of a box
_LEAST_SHOWN = 0.45  # of a thing; of less nobody would draw a box
_DRAWN = 0.45  # of the things
_EMPTY = 0.02  # of the scenes
_CROWDED = 0.2
_COVERED = 0.5  # of a pixel, from which on it belongs to a thing


@dataclass(frozen=True)
class _Shown:
    """A thing in a scene.

    Attributes:
        cover: (H, W) how much of each pixel shows it, 0 to 1.
        area: that it would cover if nothing hid it, pixels.
    """

    cover: Values
    area: float

    @property
    def is_seen(self) -> bool:
        """Whether people would draw a box."""
        return float(self.cover.sum()) >= _LEAST_SHOWN * self.area

    @property
    def edge(self) -> float:
        """The shorter edge of its box, pixels."""
        left, top, right, bottom = _corners(self.cover)
        return min(right - left, bottom - top)


@dataclass(frozen=True)
class ObjectScenes:
    """Scenes by their number.

    Attributes:
        cutouts: of the corpus.
        corpus: whose corners are surfaces.
        size: edge in pixels.
        seed: other seeds give other scenes.
    """

    cutouts: Sequence[Cutout]
    corpus: Corpus
    size: int
    seed: int

    def __call__(self, number: int) -> Scene:
        """The scene with a number; the tags of all boxes are 0."""
        rng = np.random.default_rng((self.seed, 3, number))
        picture = self._ground(rng)
        shown: list[_Shown] = []
        wanted, sizes = _plan(rng)
        for _ in range(3 * wanted):
            if len(shown) < wanted:
                self._put(picture, shown, rng, sizes)
        corners = [_corners(each.cover) for each in shown]
        taken = self._taken(picture, rng)
        return Scene(taken, np.zeros(len(corners), np.int32), np.array(corners, np.float32).reshape(-1, 4))

    def _ground(self, rng: Generator) -> Values:
        number = int(rng.integers(1 << 30))
        choice = rng.random()
        if choice < 0.3:
            picture = scenery(self.seed, number)
        elif choice < 0.45:
            first = number - number % _KINDS_OF_PATTERN
            picture = pattern(self.seed, first + int(rng.choice(_PATTERNS)))
        else:
            picture = self._surface(rng)
        return np.asarray(cv2.resize(picture, (self.size, self.size)), np.float32)

    def _corner(self, rng: Generator) -> Image:
        """A corner of a photo, where its thing is not; (H, W, 3)."""
        photo = np.asarray(self.corpus.images[int(rng.integers(len(self.corpus.labels)))])
        edge = int(rng.integers(8, 24))
        part = photo[:edge, :edge] if rng.random() < 0.5 else photo[:edge, -edge:]
        return np.ascontiguousarray(part)

    def _surface(self, rng: Generator) -> Image:
        """One or two surfaces, each a corner of a photo, mirrored until it fills its part."""
        picture = self._tiled(self._corner(rng), rng)
        if rng.random() < 0.4:  # a table and a wall, a road and the sky
            line = int(self.size * rng.uniform(0.2, 0.8))
            picture[:line] = self._tiled(self._corner(rng), rng)[:line]
            if rng.random() < 0.3:
                picture = np.ascontiguousarray(picture.transpose(1, 0, 2))
        return picture

    def _tiled(self, part: Image, rng: Generator) -> Image:
        edge = int(self.size / rng.choice([1, 2, 3, 5]))
        tile = cv2.resize(part, (edge, edge), interpolation=cv2.INTER_CUBIC)
        reach = self.size - edge
        tiled = cv2.copyMakeBorder(tile, 0, reach, 0, reach, cv2.BORDER_REFLECT)
        return np.asarray(tiled, np.uint8)

    def _put(self, picture: Values, shown: list[_Shown], rng: Generator, sizes: tuple[float, float]) -> None:
        """Put a thing into the picture, unless too little would be seen of it, or of others."""
        pixels, size = self._made(rng, sizes)
        layer = _layer(pixels, *self._place(pixels, rng), self.size)
        if layer is None:
            return
        colours, alpha = layer
        added = _Shown(alpha, float(pixels[..., 3].sum()) / 255)
        left_over = [_Shown(other.cover * (1 - alpha), other.area) for other in shown]
        if not all(each.is_seen for each in (added, *left_over)) or added.edge < _LEAST_EDGE:
            return
        if rng.random() < 0.5:
            _shade(picture, alpha, size, rng)
        picture *= 1 - alpha[..., None]
        picture += colours * alpha[..., None]
        shown[:] = [*left_over, added]

    def _made(self, rng: Generator, sizes: tuple[float, float]) -> tuple[Image, float]:
        """A thing (H, W, 4), and its size in pixels: that of a square of the same area."""
        drawn = rng.random() < _DRAWN
        made = thing(rng, self._corner(rng)) if drawn else self.cutouts[int(rng.integers(len(self.cutouts)))]
        if rng.random() < 0.5:
            made = made[:, ::-1]
        size = self.size * float(np.exp(rng.uniform(*np.log(sizes))))
        stretch = float(np.exp(rng.uniform(-0.35, 0.35)))
        scale = size / np.sqrt(made.shape[0] * made.shape[1])
        width = max(2, round(made.shape[1] * scale * stretch))
        height = max(2, round(made.shape[0] * scale / stretch))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        pixels = cv2.resize(np.ascontiguousarray(made), (width, height), interpolation=method)
        return np.asarray(pixels, np.uint8), size

    def _place(self, pixels: Image, rng: Generator) -> tuple[int, int]:
        """Left and top in pixels; some of a thing may be outside."""
        places = []
        for edge in (pixels.shape[1], pixels.shape[0]):
            fits = edge < self.size
            low, high = (-0.15 * edge, self.size - 0.85 * edge) if fits else (self.size - edge, 0)
            places.append(int(rng.uniform(low, high)))
        return places[0], places[1]

    def _taken(self, picture: Values, rng: Generator) -> Image:
        """As a camera takes it."""
        if rng.random() < 0.5:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.4, 1.8))), np.float32)
        noise = rng.standard_normal(picture.shape, np.float32) * np.float32(rng.uniform(0, 9))
        pixels = recoloured(np.clip(picture + noise, 0, 255).astype(np.uint8), 0.5, rng)
        if rng.random() < 0.1:
            pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        quality = int(rng.integers(60, 95))
        kept = cv2.imencode(
            ".jpg", np.ascontiguousarray(pixels[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
        )[1]
        return np.ascontiguousarray(np.asarray(cv2.imdecode(kept, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


def _plan(rng: Generator) -> tuple[int, tuple[float, float]]:
    """How many things, and their sizes from and to, as shares of the edge."""
    chance = rng.random()
    if chance < _EMPTY:
        return 0, (1.0, 1.0)
    if chance < _EMPTY + _CROWDED:
        return int(rng.integers(8, 25)), (0.04, 0.2)
    count = int(rng.integers(1, 7))
    return count, (float(rng.choice([0.06, 0.15, 0.3])), float(1.0 / count**0.4))


def _layer(pixels: Image, left: int, top: int, size: int) -> tuple[Values, Values] | None:
    """Colours (size, size, 3) and cover (size, size), 0 to 1, of a thing at its place."""
    height, width = pixels.shape[:2]
    first, last = max(0, top), min(size, top + height)
    start, end = max(0, left), min(size, left + width)
    if first >= last or start >= end:
        return None
    part = pixels[first - top : last - top, start - left : end - left].astype(np.float32)
    colours, alpha = np.zeros((size, size, 3), np.float32), np.zeros((size, size), np.float32)
    colours[first:last, start:end] = part[..., :3]
    alpha[first:last, start:end] = part[..., 3] / 255
    return colours, alpha


def _shade(picture: Values, alpha: Values, size: float, rng: Generator) -> None:
    across, down = (rng.uniform(-0.12, 0.12, 2) * size).tolist()
    change = np.array([[1, 0, across], [0, 1, down]], np.float32)
    shadow = cv2.warpAffine(alpha, change, alpha.shape[::-1])
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(1.0, 0.04 * size))
    picture *= (1 - np.float32(rng.uniform(0.1, 0.5)) * shadow)[..., None]


def _corners(cover: Values) -> tuple[float, float, float, float]:
    rows = np.flatnonzero((cover > _COVERED).any(1))
    columns = np.flatnonzero((cover > _COVERED).any(0))
    if not len(rows):
        return 0.0, 0.0, 0.0, 0.0
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)
