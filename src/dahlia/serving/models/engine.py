"""What computes a graph: in one way for a photo, in another for several, in a third for one that is alone.

The last takes idle cores where it is quicker so. All must give the same bits: otherwise an answer would
depend on who else asks.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from dahlia.serving.models.batching import Batcher
from dahlia.serving.models.quicker import Quicker

MOST_THREADS = 4  # of a prediction that is alone
MOST_TOGETHER = 4  # photos: the last makes a batch a tenth quicker still, and keeps the first waiting

_Way = TypeVar("_Way")

_logger = logging.getLogger("bentoml.dahlia")


class Engine(ABC, Generic[_Way]):
    """Computes a graph; safe to use from several threads.

    Args:
        plain: the way for a photo when others are computed too.
        wide: the way that takes idle cores; None where there is no other.
        many: the way for several photos; None where they are not computed together.
        way_memory: bytes that each way takes, about.
        at_once: how many are computed at once, at least 1.
    """

    def __init__(
        self, plain: _Way, wide: _Way | None, many: _Way | None, way_memory: int, at_once: int
    ) -> None:
        self._plain = plain
        self._wide = wide
        self._many = many
        self._way_memory = way_memory
        self._quicker = Quicker()
        self._batcher = Batcher(self._together, at_once)

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""
        return self._way_memory * sum(way is not None for way in (self._plain, self._wide, self._many))

    def coming(self) -> AbstractContextManager[None]:
        """Say that this thread has a photo for it soon, until the block ends."""
        return self._batcher.coming()

    def run(
        self, outputs: Sequence[str], batch: npt.NDArray[np.float32], *, alone: bool = False
    ) -> list[npt.NDArray[Any]]:
        """What the graph answers; it has one input.

        Args:
            outputs: names of what is asked for.
            batch: (N, 3, size, size).
            alone: whether it may take all cores, which it does where that is quicker.
        """
        if not alone or self._wide is None:
            return self._batcher.run(outputs, batch)
        way = self._quicker.choose()
        began = perf_counter()
        answers = self._computed(self._wide if way else self._plain, outputs, batch)
        self._quicker.took(way, perf_counter() - began)
        return answers

    def settle(self, outputs: Sequence[str], size: int) -> list[npt.NDArray[Any]]:
        """Run it in each way, and give up those that give other bits than the plain one.

        How work is divided does not depend on the numbers in it: ways that give the same bits for noise add
        in the same order, and give the same for every photo.

        Args:
            outputs: names of what is asked for.
            size: of the photos, pixels.

        Returns:
            The answers to a picture of noise.
        """
        pictures = noise(size, MOST_TOGETHER if self._many is not None else 1)
        singly = [self._computed(self._plain, outputs, one[np.newaxis]) for one in pictures]
        if self._wide is not None and not _same(
            self._computed(self._wide, outputs, pictures[:1]), singly[:1]
        ):
            _logger.info("Several threads add in another order than one: each prediction takes one.")
            self._wide = None
        if self._many is not None and all(
            _same(self._computed(self._many, outputs, pictures[:count]), singly[:count])
            for count in range(2, MOST_TOGETHER + 1)
        ):
            self._batcher.most = MOST_TOGETHER
        else:
            self._many = None
        return singly[0]

    def _together(self, outputs: Sequence[str], batch: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        way = self._plain if len(batch) == 1 or self._many is None else self._many
        return self._computed(way, outputs, batch)

    @staticmethod
    @abstractmethod
    def _computed(
        way: _Way, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]: ...


def in_company() -> bool:
    """What a prediction is where nobody knows better: not alone."""
    return False


def noise(size: int, count: int = 1) -> npt.NDArray[np.float32]:
    """Pictures of noise, always the same, (count, 3, size, size)."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, size, size)).astype(np.float32)


def _same(together: Sequence[npt.NDArray[Any]], singly: Sequence[Sequence[npt.NDArray[Any]]]) -> bool:
    """Whether what is said of several photos is, to the bit, what is said of each."""
    return all(
        len(of_all) == len(singly)
        and all(of_all[place : place + 1].tobytes() == one.tobytes() for place, one in enumerate(of_each))
        for of_all, of_each in zip(together, zip(*singly, strict=True), strict=True)
    )
