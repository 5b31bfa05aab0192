"""The main figures of iterations, which their files hold; those that were read lately stay in memory."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from dahlia.server.contract.reports import Interval, MainFigures
from dahlia.server.jobs.iteration_files import EVALUATION, artifact_key
from dahlia.server.storage.backend import spread
from dahlia.server.storage.storage import Storage, StorageError

_MOST = 2000
_THREADS = 8  # a file from a store far away is mostly waiting


class FiguresInMemory:
    """Main figures by iteration; safe to use from several threads. Files of iterations never change.

    Args:
        storage: has the files.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: OrderedDict[str, MainFigures] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, iterations: Sequence[str]) -> Mapping[str, MainFigures]:
        """The figures of iterations by their ids; those that cannot be read now are left out."""
        with self._lock:
            found = {one: self._known[one] for one in iterations if one in self._known}
        missing = [one for one in iterations if one not in found]
        read: dict[str, MainFigures] = {}

        def look(iteration: str) -> None:
            if figures := self._read(iteration):
                read[iteration] = figures

        spread(look, missing, _THREADS)
        with self._lock:
            self._known |= read
            while len(self._known) > _MOST:
                self._known.popitem(last=False)
        return found | read

    def _read(self, iteration: str) -> MainFigures | None:
        try:
            return _main(json.loads(self._storage.get(artifact_key(iteration, EVALUATION))))
        except (StorageError, ValueError, KeyError, TypeError, ValidationError):
            return None


def _main(evaluation: dict[str, Any]) -> MainFigures:
    overall = evaluation["held_out"]["overall"]

    def interval(name: str) -> Interval:
        return Interval(**{part: overall[name][part] for part in ("value", "low", "high")})

    return MainFigures(
        images=overall["images"],
        threshold=evaluation["threshold"],
        accuracy=interval("accuracy"),
        precision=interval("precision"),
        recall=interval("recall"),
        average_precision=interval("ap"),
    )
