"""How often fine-tuning draws each photo in an epoch, and in which order."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

Draw = tuple[int, int, int]


def repeat_factors(truth: npt.NDArray[np.bool_], power: float) -> npt.NDArray[np.float64]:
    """How often each photo is drawn in an epoch.

    Repeat-factor sampling (Gupta, Dollár and Girshick, LVIS, 2019): a tag that is rarer than the mean is
    drawn (mean / its count) ** power times, a photo as often as its rarest tag; 0.5 is theirs. It is chosen
    over weights in the loss because a rare photo that is seen more often is seen under more augmentations,
    while a weight only makes its one gradient louder; and because it serves several tags, no tag and mixed
    targets alike. No photo is drawn less than once; balanced tags change nothing.

    Args:
        truth: (N, K) bool; a photo may have no tag.
        power: 0 draws all alike, 1 makes the rare as frequent as the mean.

    Returns:
        (N,) at least 1.
    """
    counts = truth.sum(0)
    present = counts[counts > 0]
    if len(present) == 0:
        return np.ones(len(truth))
    of_tag = np.maximum(1.0, present.mean() / np.maximum(counts, 1)) ** power
    return np.asarray(np.where(truth, of_tag, 1.0).max(1, initial=1.0), np.float64)


class Draws(Sampler[Draw]):
    """Shuffled (epoch, position, photo) for every epoch, a function of seed and epoch alone.

    A factor's whole part is drawn for sure and its fraction by chance, by systematic sampling, so every epoch
    has the same length. Several devices take turns.

    Args:
        factors: (N,) see `repeat_factors`.
        seed: of order and chance.
        rank: of this device.
        world: devices.
    """

    def __init__(self, factors: npt.NDArray[np.float64], seed: int, rank: int = 0, world: int = 1) -> None:
        self.total = round(float(factors.sum()))
        self.ends = np.cumsum(factors) * (self.total / factors.sum())
        self.seed, self.rank, self.world, self.epoch = seed, rank, world, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.total // self.world)

    def __iter__(self) -> Iterator[Draw]:
        chance = np.random.default_rng([self.seed, self.epoch])
        points = np.arange(self.total) + chance.random()
        photos = np.minimum(np.searchsorted(self.ends, points, side="right"), len(self.ends) - 1)
        chance.shuffle(photos)
        for turn in range(len(self)):
            position = turn * self.world + self.rank
            yield self.epoch, position, int(photos[position % self.total])
