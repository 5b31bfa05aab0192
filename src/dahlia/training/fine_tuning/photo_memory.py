"""Photos that stay decoded: the first look at a photo decodes it, later ones do not, within a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from dahlia.dataset.imaging import OVERSAMPLING, Pixels, decode_then, squash
from dahlia.dataset.manifest import read_photo

_LIMIT = 512 * 2**20
_AT_ONCE = 16
_THREADS = 2


@dataclass(frozen=True)
class Photo:
    """One photo, decoded.

    Attributes:
        reduced: (H, W, 3), the aspect kept, the shorter edge at most `OVERSAMPLING` times the input's size:
            what augmentation starts from.
        plain: (size, size, 3), exactly what prediction would feed.
    """

    reduced: Pixels
    plain: Pixels

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return self.reduced.nbytes + self.plain.nbytes


class PhotoMemory:
    """Decoded photos by image id. It is filled once, so loaders' processes share what it holds.

    Args:
        size: input edge in pixels.
        limit: bytes; photos beyond it are decoded again each time.
    """

    def __init__(self, size: int, limit: int = _LIMIT) -> None:
        self.size, self.limit, self.held = size, limit, 0
        self.photos: dict[str, Photo] = {}

    def fill(self, ids: Sequence[str], paths: Sequence[Path], stop: Callable[[], bool]) -> None:
        """Decode photos until the bound is reached or `stop` says so.

        Raises:
            DatasetError: a photo changed or vanished after ingest.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            for first in range(0, len(ids), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                for name, photo in zip(ids[part], pool.map(self._read, ids[part], paths[part]), strict=True):
                    if self.held + photo.bytes > self.limit:
                        return
                    self.photos[name] = photo
                    self.held += photo.bytes
                if stop():
                    return

    def get(self, image_id: str, path: Path) -> Photo:
        """The photo: from memory, or decoded from its file.

        Raises:
            DatasetError: it changed or vanished after ingest.
        """
        return self.photos.get(image_id) or self._read(image_id, path)

    def _read(self, image_id: str, path: Path) -> Photo:
        return decode_then(read_photo(path, image_id), self._photo, OVERSAMPLING * self.size)

    def _photo(self, image: Pixels) -> Photo:
        return Photo(reduced=_reduce(image, OVERSAMPLING * self.size), plain=squash(image, self.size))


def _reduce(image: Pixels, edge: int) -> Pixels:
    height, width = image.shape[:2]
    if min(height, width) <= edge:
        return image
    scale = edge / min(height, width)
    target = (max(edge, round(width * scale)), max(edge, round(height * scale)))
    return np.asarray(cv2.resize(image, target, interpolation=cv2.INTER_AREA), np.uint8)
