"""Measures the runtimes that are installed, and finds the fastest that says what the model says.

    python -m dahlia.serving.choice.measuring FOLDER SECONDS

runs in a process of its own: whatever a runtime does to it, the service goes on. It prints a `Choice`.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path
from typing import Any

from dahlia.dataset.proof_photos import load_photos
from dahlia.errors import DahliaError, ServiceError
from dahlia.serving.choice.judging import Comparison, compare
from dahlia.serving.choice.remembered import Choice, Tried, machine
from dahlia.serving.models.engine import Engine, noise
from dahlia.serving.models.runtime import load_model
from dahlia.serving.models.runtimes import RUNTIMES, USUAL, Runtime
from dahlia.settings.values import RuntimeName

_ROUNDS = 15
_GAIN = 0.95  # of the usual runtime's time, above which another is not worth its memory
_LEAST_PHOTOS = 8


class Measured:
    """A model on this machine.

    Args:
        folder: has `model.onnx`, `model.json`, and `photos.zip`, without which nothing but ONNX Runtime is
            taken.
        seconds: that all may take, about.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._graph = folder / "model.onnx"
        self._model = load_model(folder, "", 0)
        self._photos = load_photos(folder, self._model.card.input.size)

    def choose(self) -> Choice:
        """Time all that can compute the model, then prove them, the fastest first, until one passes."""
        engines, tried = self._opened()
        times = self._times(engines)
        chosen = USUAL
        for name in sorted(times, key=times.__getitem__):
            tried[name] = self._judged(name, times, engines, proven=chosen != USUAL)
            if chosen == USUAL and tried[name].refused is None:
                chosen = name
        known = tuple(tried[name] for name in RUNTIMES if name in tried)
        return Choice(machine=machine(), chosen=chosen, tried=known)

    def _opened(self) -> tuple[dict[RuntimeName, Engine[Any]], dict[RuntimeName, Tried]]:
        engines: dict[RuntimeName, Engine[Any]] = {USUAL: self._model.engine}
        refused: dict[RuntimeName, Tried] = {}
        for name, runtime in RUNTIMES.items():
            if name == USUAL or not runtime.is_possible():
                continue
            try:
                size = self._model.card.input.size
                engines[name] = runtime.engine(self._graph, self._model.reader, size, 1)
            except ServiceError as error:
                refused[name] = Tried(runtime=name, refused=str(error))
        return engines, refused

    def _judged(
        self,
        name: RuntimeName,
        times: dict[RuntimeName, float],
        engines: dict[RuntimeName, Engine[Any]],
        *,
        proven: bool,
    ) -> Tried:
        """What to say of a runtime; `proven` if a faster one was taken."""
        measured = Tried(runtime=name, milliseconds=times[name])
        if name == USUAL or proven:
            return measured
        if times[name] > _GAIN * times[USUAL]:
            return measured.model_copy(update={"refused": "it is not faster than ONNX Runtime"})
        found = self._compared(engines[name], RUNTIMES[name])
        refused = found.refusal(RUNTIMES[name].difference)
        if refused is None and found.photos < min(_LEAST_PHOTOS, len(self._photos)):
            refused = f"only {found.photos} photos could be compared in time"
        return Tried(
            runtime=name,
            milliseconds=times[name],
            photos=found.photos,
            largest_difference=found.largest if found.photos else None,
            refused=refused,
        )

    def _times(self, engines: dict[RuntimeName, Engine[Any]]) -> dict[RuntimeName, float]:
        """Milliseconds of a prediction: the shortest, as longer ones say more of other programs."""
        batch, outputs = noise(self._model.card.input.size), self._model.reader.outputs
        shortest = dict.fromkeys(engines, float("inf"))
        for _ in range(_ROUNDS):
            for name, engine in engines.items():
                began = time.perf_counter()
                engine.run(outputs, batch)
                shortest[name] = min(shortest[name], 1000 * (time.perf_counter() - began))
        return shortest

    def _compared(self, engine: Engine[Any], runtime: Runtime) -> Comparison:
        other = copy.copy(self._model)
        other.take(engine, runtime.name)
        pairs = ((self._model.predict(one.jpeg), other.predict(one.jpeg)) for one in self._photos)
        boxed = self._model.reader.task == "detect"
        return compare(pairs, runtime.difference, boxed=boxed, must_end=lambda: time.monotonic() > self._end)


def main(folder: str, seconds: str) -> int:
    """Print the choice, as JSON."""
    try:
        choice = Measured(Path(folder), float(seconds)).choose()
    except DahliaError as error:
        print(error, file=sys.stderr)
        return 1
    print(choice.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
