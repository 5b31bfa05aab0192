"""Held-out predictions of iterations that were asked for lately, in memory; bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from dahlia.kinds import Kind
from dahlia.server.iterations.held_out import HeldOut

MOST_BYTES = 256 << 20


class PerformanceCache:
    """Held-out predictions by iteration; safe to use from several threads.

    Loading takes turns, so that no more than one set of predictions is in the making; who asks for what is
    kept never waits for it.

    Args:
        loader: gives those of an iteration by its id and kind; what it raises, the caller gets.
        most_bytes: that may be kept. The one that was asked for last stays even when it is larger: a moving
            threshold asks for it again and again.
    """

    def __init__(self, loader: Callable[[str, Kind], HeldOut], most_bytes: int = MOST_BYTES) -> None:
        self._loader = loader
        self._most = most_bytes
        self._kept: OrderedDict[str, HeldOut] = OrderedDict()
        self._forgotten = 0
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def of(self, iteration: str, kind: Kind) -> HeldOut:
        """Those of an iteration."""
        if kept := self._find(iteration):
            return kept
        with self._loading:
            if kept := self._find(iteration):
                return kept
            before = self._forgotten
            kept = self._loader(iteration, kind)
            self._keep(iteration, kept, before)
            return kept

    def forget(self, iteration: str) -> None:
        """Drop an iteration that was deleted."""
        with self._lock:
            self._forgotten += 1
            self._kept.pop(iteration, None)

    @property
    def size(self) -> int:
        """Bytes that are kept, about."""
        with self._lock:
            return sum(kept.size for kept in self._kept.values())

    def _find(self, iteration: str) -> HeldOut | None:
        with self._lock:
            if iteration in self._kept:
                self._kept.move_to_end(iteration)
            return self._kept.get(iteration)

    def _keep(self, iteration: str, kept: HeldOut, before: int) -> None:
        with self._lock:
            if self._forgotten != before:
                return  # perhaps this one was deleted meanwhile
            self._kept[iteration] = kept
            while len(self._kept) > 1 and sum(one.size for one in self._kept.values()) > self._most:
                self._kept.popitem(last=False)
