"""Predictions that are under way at once are computed together, where that takes less than one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any

import numpy as np
import numpy.typing as npt

Batch = npt.NDArray[np.float32]
Answers = list[npt.NDArray[Any]]

PATIENCE = 0.015  # seconds that a photo waits for others: about what decoding three more takes on a busy core


class Batcher:
    """Computes what several threads ask, the first that came first.

    The thread whose photo came first computes, for up to `most` photos. It waits for those that are being
    decoded: its core has these to do meanwhile, so that nothing is lost while there are any.

    Args:
        compute: the answers to N photos, each with N as its first dimension; called from several threads.
        at_once: how many batches are computed at once, at least 1.

    Attributes:
        most: photos of a batch, at least 1.
    """

    def __init__(self, compute: Callable[[Sequence[str], Batch], Answers], at_once: int) -> None:
        self.most = 1
        self._compute = compute
        self._free = at_once
        self._coming = 0
        self._computed = 0
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition(threading.Lock())

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Say that this thread asks soon, until the block ends."""
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1
                if not self._coming:
                    self._changed.notify_all()

    def run(self, outputs: Sequence[str], batch: Batch) -> Answers:
        """The answers to photos.

        Args:
            outputs: names of what is asked for.
            batch: (N, 3, size, size); only those of N = 1 are computed together.
        """
        mine = _Asked(outputs, batch)
        group = self._turn(mine)
        if group:
            try:
                self._answer(group)
            finally:
                with self._changed:
                    self._free += 1
                    self._computed -= len(group)
                    for one in group:
                        one.is_done = True
                    self._changed.notify_all()
        if mine.answers is None:  # the thread that computed for it has failed
            return self._compute(outputs, batch)
        return mine.answers

    def _turn(self, mine: _Asked) -> list[_Asked]:
        """Wait until it is done, or its turn; the batch to compute then, with it at the front."""
        until = monotonic() + PATIENCE
        with self._changed:
            self._waiting.append(mine)
            if len(self._waiting) >= self._enough:
                self._changed.notify_all()
            while not mine.is_done:
                patience = None
                if self._waiting and self._waiting[0] is mine and self._free:
                    patience = (
                        until - monotonic() if self._coming and len(self._waiting) < self._enough else 0
                    )
                    if patience <= 0:
                        return self._taken(mine)
                self._changed.wait(patience)
        return []

    @property
    def _enough(self) -> int:
        """How many are worth waiting for: a whole batch, where another one is decoded meanwhile."""
        under_way = self._coming + len(self._waiting) + self._computed
        return self.most if under_way >= 2 * self.most else 1

    def _taken(self, first: _Asked) -> list[_Asked]:
        self._free -= 1
        group = [self._waiting.popleft()]
        while self._waiting and len(group) < self.most and self._waiting[0].joins(first):
            group.append(self._waiting.popleft())
        self._computed += len(group)
        if self._waiting and self._free:
            self._changed.notify_all()
        return group

    def _answer(self, group: Sequence[_Asked]) -> None:
        if len(group) == 1:
            group[0].answers = self._compute(group[0].outputs, group[0].batch)
            return
        together = self._compute(group[0].outputs, np.concatenate([one.batch for one in group]))
        for place, one in enumerate(group):
            one.answers = [answer[place : place + 1] for answer in together]


class _Asked:
    """What a thread asks, and what it is told."""

    def __init__(self, outputs: Sequence[str], batch: Batch) -> None:
        self.outputs = outputs
        self.batch = batch
        self.is_done = False
        self.answers: Answers | None = None

    def joins(self, other: _Asked) -> bool:
        """Whether one batch can hold both."""
        return (
            len(self.batch) == len(other.batch) == 1
            and self.batch.shape == other.batch.shape
            and self.outputs == other.outputs
        )
