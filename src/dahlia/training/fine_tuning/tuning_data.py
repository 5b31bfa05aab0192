"""What fine-tuning learns from: photos, their truth, and the batches.

Photos stay decoded, within a bound: the first look at a photo decodes it, later ones do not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dahlia.dataset.decoding_memory import share_among
from dahlia.dataset.imaging import OVERSAMPLING, Pixels, decode_then, squash, to_tensor_layout
from dahlia.dataset.manifest import read_photo
from dahlia.errors import DatasetError
from dahlia.processes import usable_cores
from dahlia.training.fine_tuning.augmentation import Augmentation
from dahlia.training.fine_tuning.sampling import Draw, Draws, repeat_factors

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

    Attributes:
        stages: of the backbone that are frozen: none, for photos are what the first one sees.
    """

    stages = 0

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

    def clear(self) -> None:
        """Forget all photos; each is decoded again where it is wanted."""
        self.photos.clear()
        self.held = 0

    def items(self, data: TuningData) -> Dataset[Item]:
        """Augmented photos."""
        return Augmented(data, self)

    def loaders(self, photos: int) -> int:
        """Processes that load."""
        return _workers(photos)

    def plain(self, photos: Sequence[tuple[str, Path]]) -> Tensor:
        """(N, 3, size, size) float32: what prediction would feed of N photos (id and file).

        Raises:
            DatasetError: a photo changed or vanished after ingest.
        """
        return torch.from_numpy(to_tensor_layout([self.get(name, path).plain for name, path in photos]))

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


Item = tuple[Tensor, Tensor] | DatasetError
Batch = Item
_LOADER_PAYS_FROM = 64
_MOST_WORKERS = 8


class Memory(Protocol):
    """What a network is fed with: photos, or maps of them where its first stages are frozen.

    Attributes:
        stages: that are frozen.
    """

    stages: int

    def items(self, data: TuningData) -> Dataset[Item]:
        """What is learned from, by (epoch, position, photo), with truths (K,) float32."""

    def loaders(self, photos: int) -> int:
        """Processes that load so many."""

    def plain(self, photos: Sequence[tuple[str, Path]]) -> Tensor:
        """(N, C, H, W) float32: what prediction would feed of N photos (id and file)."""


@dataclass(frozen=True)
class TuningData:
    """N photos to learn from.

    Attributes:
        ids: N image ids.
        paths: N files.
        truth: (N, K) bool.
        augmentation: the domain's names.
        size: input edge in pixels.
        batch_size: photos per step, over all devices.
        seed: of order, augmentation and mixing.
    """

    ids: Sequence[str]
    paths: Sequence[Path]
    truth: npt.NDArray[np.bool_]
    augmentation: Sequence[str]
    size: int
    batch_size: int
    seed: int

    def where(self, rows: npt.NDArray[np.bool_]) -> TuningData:
        """The photos for which the mask (N,) holds."""
        kept = np.flatnonzero(rows).tolist()
        return replace(
            self,
            ids=[self.ids[row] for row in kept],
            paths=[self.paths[row] for row in kept],
            truth=self.truth[rows],
        )

    def draws(self, balancing: float) -> int:
        """Photos drawn per epoch; see `repeat_factors`."""
        return Draws(repeat_factors(self.truth, balancing), self.seed).total

    def steps(self, balancing: float, splits: int = 1, world: int = 1) -> int:
        """Steps of the optimiser per epoch; see `loader`."""
        photos = math.ceil(self.draws(balancing) / world)
        return math.ceil(math.ceil(photos / self._at_once(splits, world)) / splits)

    def loader(
        self, memory: Memory, balancing: float, *, splits: int = 1, rank: int = 0, world: int = 1
    ) -> DataLoader[Batch]:
        """Batches of augmented photos, (B, 3, size, size) uint8, or maps, and their (B, K) truth as float32.

        Args:
            memory: where decoded photos are, or maps.
            balancing: see `repeat_factors`.
            splits: in how many a batch is divided where memory is short.
            rank: of this device.
            world: devices; each gets its part of a batch.

        Returns:
            A loader whose items are batches, or the error of a photo that changed or vanished.
        """
        draws = Draws(repeat_factors(self.truth, balancing), self.seed, rank, world)
        workers = memory.loaders(len(self.ids))
        return DataLoader(
            memory.items(self),
            batch_size=self._at_once(splits, world),
            sampler=draws,
            num_workers=workers,
            worker_init_fn=partial(share_among, workers),
            persistent_workers=workers > 0,
            collate_fn=_join,
        )

    def _at_once(self, splits: int, world: int) -> int:
        return max(1, self.batch_size // (splits * world))


class Augmented(Dataset[Item]):
    """Augmented photos by (epoch, position, photo): the same key gives the same pixels in every process.

    For a photo that changed or vanished the item is the error itself: raised in a loader's process, it would
    arrive as the text of a traceback.
    """

    def __init__(self, data: TuningData, memory: PhotoMemory) -> None:
        self.data, self.memory = data, memory
        self.augmentation = Augmentation(data.augmentation, data.size, data.seed)

    def __len__(self) -> int:
        return len(self.data.ids)

    def __getitem__(self, key: Draw) -> Item:
        """(3, size, size) uint8 and (K,) float32."""
        epoch, position, row = key
        try:
            photo = self.memory.get(self.data.ids[row], self.data.paths[row])
        except DatasetError as error:
            return error
        self.augmentation.reseed(epoch, position)
        pixels = np.ascontiguousarray(self.augmentation(photo.reduced).transpose(2, 0, 1))
        return torch.from_numpy(pixels), torch.from_numpy(self.data.truth[row].astype(np.float32))


def _join(items: list[Item]) -> Batch:
    photos: list[tuple[Tensor, Tensor]] = []
    for item in items:
        if isinstance(item, DatasetError):
            return item
        photos.append(item)
    return torch.stack([pixels for pixels, _ in photos]), torch.stack([truth for _, truth in photos])


def _workers(photos: int) -> int:
    return 0 if photos < _LOADER_PAYS_FROM else min(_MOST_WORKERS, usable_cores())
