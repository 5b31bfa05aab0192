"""What computes a graph: in a way that many predictions take at once, and in one that takes idle cores.

The second answers a prediction that is alone, where it is quicker. Both must give the same bits: otherwise an
answer would depend on who else asks.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import perf_counter
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from dahlia.serving.models.quicker import Quicker

MOST_THREADS = 4  # of a prediction that is alone

_Way = TypeVar("_Way")

_logger = logging.getLogger("bentoml.dahlia")


class Engine(ABC, Generic[_Way]):
    """Computes a graph; safe to use from several threads.

    Args:
        plain: the way for many at once.
        wide: the way that takes idle cores; None where there is no other.
        way_memory: bytes that each way takes, about.
    """

    def __init__(self, plain: _Way, wide: _Way | None, way_memory: int) -> None:
        self._plain = plain
        self._wide = wide
        self._way_memory = way_memory
        self._quicker = Quicker()

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""
        return self._way_memory * (1 if self._wide is None else 2)

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
            return self._computed(self._plain, outputs, batch)
        way = self._quicker.choose()
        began = perf_counter()
        answers = self._computed(self._wide if way else self._plain, outputs, batch)
        self._quicker.took(way, perf_counter() - began)
        return answers

    def settle(self, outputs: Sequence[str], size: int) -> list[npt.NDArray[Any]]:
        """Run it once in each way, and give up the one for idle cores where it gives other bits.

        How work is divided does not depend on the numbers in it: ways that give the same bits for noise add
        in the same order, and give the same for every photo.

        Args:
            outputs: names of what is asked for.
            size: of the photos, pixels.

        Returns:
            The answers.
        """
        answers = self._computed(self._plain, outputs, noise(size))
        if self._wide is not None:
            others = self._computed(self._wide, outputs, noise(size))
            if [one.tobytes() for one in answers] != [other.tobytes() for other in others]:
                _logger.info("Several threads add in another order than one: each prediction takes one.")
                self._wide = None
        return answers

    @staticmethod
    @abstractmethod
    def _computed(
        way: _Way, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]: ...


def noise(size: int) -> npt.NDArray[np.float32]:
    """A picture of noise, always the same, (1, 3, size, size)."""
    return np.random.default_rng(0).integers(0, 256, (1, 3, size, size)).astype(np.float32)
