"""The main figures of iterations, which their files hold."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dahlia.kinds import Kind
from dahlia.server.contract.own import Interval, MainFigures
from dahlia.server.jobs.training_data import EVALUATION, artifact_key
from dahlia.server.storage.backend import spread
from dahlia.server.storage.storage import NotThere, Storage, StorageError

ABSENT_SECONDS = 300.0
"""Seconds after which figures that an iteration lacked are looked for again, as after a restore."""
_MOST = 2000
_THREADS = 8  # a file from a storage far away is mostly waiting


@dataclass(frozen=True)
class _Kept:
    figures: MainFigures | None
    until: float


class MainFiguresCache:
    """Main figures by iteration; safe to use from several threads. Files of iterations never change.

    That an iteration has none is kept too, for a while: one that an earlier version trained, or that was
    copied, would be looked for in the storage with every request.

    Args:
        storage: has the files.
        clock: seconds that only grow.
    """

    def __init__(self, storage: Storage, clock: Callable[[], float] = time.monotonic) -> None:
        self._storage = storage
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, iterations: Sequence[str]) -> Mapping[str, MainFigures]:
        """The figures of iterations by their ids, without those that have none or cannot be read now."""
        found = self._find(iterations)
        read: dict[str, MainFigures | None] = {}

        def look(iteration: str) -> None:
            with suppress(StorageError):
                read[iteration] = self._read(iteration)

        spread(look, [one for one in iterations if one not in found], _THREADS)
        self._keep(read)
        return {one: figures for one, figures in (found | read).items() if figures is not None}

    def _find(self, iterations: Sequence[str]) -> dict[str, MainFigures | None]:
        found: dict[str, MainFigures | None] = {}
        now = self._clock()
        with self._lock:
            for one in iterations:
                kept = self._kept.get(one)
                if kept is not None and kept.until > now:
                    self._kept.move_to_end(one)
                    found[one] = kept.figures
        return found

    def _keep(self, read: Mapping[str, MainFigures | None]) -> None:
        absent_until = self._clock() + ABSENT_SECONDS
        with self._lock:
            for one, figures in read.items():
                self._kept[one] = _Kept(figures, absent_until if figures is None else math.inf)
                self._kept.move_to_end(one)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def _read(self, iteration: str) -> MainFigures | None:
        """None where there are none, or in a form that this version does not read."""
        try:
            return _main(json.loads(self._storage.get(artifact_key(iteration, EVALUATION))))
        except (NotThere, ValueError, KeyError, TypeError):  # of Pydantic too: its errors are ValueErrors
            return None


def _main(evaluation: dict[str, Any]) -> MainFigures:
    overall = evaluation["held_out"]["overall"]
    return MainFigures(
        images=overall["images"],
        threshold=evaluation["threshold"],
        precision=_interval(overall, "precision"),
        recall=_interval(overall, "recall"),
        average_precision=_interval(overall, "ap"),
        **_OF_KIND[evaluation["classification"]](evaluation),
    )


def _of_tags(evaluation: dict[str, Any]) -> dict[str, Any]:
    new_scenes = evaluation.get("new_scenes")
    return {
        "overlap": None,
        "accuracy": _interval(evaluation["held_out"]["overall"], "accuracy"),
        "new_scenes_accuracy": _interval(new_scenes, "accuracy") if new_scenes else None,
    }


def _of_boxes(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {"overlap": evaluation["overlap"], "accuracy": None, "new_scenes_accuracy": None}


_OF_KIND: dict[Kind, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "multiclass": _of_tags,
    "multilabel": _of_tags,
    "detection": _of_boxes,
}


def _interval(figures: dict[str, Any], name: str) -> Interval:
    return Interval(**{part: figures[name][part] for part in ("value", "low", "high")})
