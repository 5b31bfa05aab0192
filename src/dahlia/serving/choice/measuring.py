"""Measures the runtimes that are installed, and finds the fastest that says what the model says.

    python -m dahlia.serving.choice.measuring FOLDER SECONDS [GRAPH]

runs in a process of its own: whatever a runtime does to it, the service goes on. It prints a `Choice`.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dahlia.dataset.imaging import decode
from dahlia.dataset.proof_photos import load_photos
from dahlia.errors import DahliaError, ServiceError
from dahlia.serving.choice.judging import compare
from dahlia.serving.choice.judging_quantised import compare_quantised, part_of
from dahlia.serving.choice.remembered import Choice, Tried, machine
from dahlia.serving.models.engine import Engine, noise
from dahlia.serving.models.readers import Scored
from dahlia.serving.models.runtime import Model, load_model
from dahlia.serving.models.runtimes import RUNTIMES, USUAL
from dahlia.settings.values import RuntimeName

_ROUNDS = 15
_GAIN = 0.95  # of the usual runtime's time, above which another is not worth its memory
_WORTH = 0.75  # 8 bits change more than floats do: they are for another quarter of the time
_LEAST_PHOTOS = 8
_MOST_PARTS = 100  # of photos, each of which is asked about twice


class Measured:
    """A model on this machine.

    Args:
        folder: has `model.onnx`, `model.json`, and `photos.zip`, without which nothing but ONNX Runtime is
            taken.
        seconds: that all may take, about.
        quantised: a file with the graph in 8 bits; None where there is none.
    """

    def __init__(self, folder: Path, seconds: float, quantised: Path | None = None) -> None:
        self._end = time.monotonic() + seconds
        self._graph = folder / "model.onnx"
        self._quantised = quantised
        self._model = load_model(folder, "", 0)
        self._photos = load_photos(folder, self._model.card.input.size)

    def choose(self) -> Choice:
        """Time all that can compute the model, then prove them, the fastest first, until one passes."""
        engines, tried = self._opened()
        times = self._times(engines)
        chosen = USUAL
        for name in sorted(times, key=lambda one: times[one] / (_WORTH if RUNTIMES[one].is_quantised else 1)):
            tried[name] = self._judged(name, times, engines, proven=chosen != USUAL)
            if chosen == USUAL and tried[name].refused is None:
                chosen = name
        known = tuple(tried[name] for name in RUNTIMES if name in tried)
        return Choice(machine=machine(), chosen=chosen, tried=known)

    def _opened(self) -> tuple[dict[RuntimeName, Engine[Any]], dict[RuntimeName, Tried]]:
        engines: dict[RuntimeName, Engine[Any]] = {USUAL: self._model.engine}
        refused: dict[RuntimeName, Tried] = {}
        for name, runtime in RUNTIMES.items():
            graph = self._quantised if runtime.is_quantised else self._graph
            if name == USUAL or graph is None or not runtime.is_possible():
                continue
            try:
                engines[name] = runtime.engine(graph, self._model.reader, self._model.card.input.size, 1)
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
        is_quantised = RUNTIMES[name].is_quantised
        if times[name] > (_WORTH if is_quantised else _GAIN) * times[USUAL]:
            reason = f"it is not {'a quarter ' if is_quantised else ''}faster than ONNX Runtime"
            return measured.model_copy(update={"refused": reason})
        return self.prove(measured, engines[name])

    def prove(self, measured: Tried, engine: Engine[Any]) -> Tried:
        """Compare a runtime with the model on photos.

        Args:
            measured: which runtime, and what is known of it.
            engine: that of the runtime.

        Returns:
            The same, with what was compared, and why the runtime may not be taken if so.
        """
        other = copy.copy(self._model)
        other.take(engine, measured.runtime)
        limit, kind = RUNTIMES[measured.runtime].difference, self._model.card.kind
        if limit is None:
            counted = compare_quantised(self._pairs(other), kind, must_end=self._must_end)
            refused = counted.refusal() or self._too_few(counted.photos)
            return measured.model_copy(update={"photos": counted.photos, "refused": refused})
        pairs = ((self._model.predict(one.jpeg), other.predict(one.jpeg)) for one in self._photos)
        found = compare(pairs, limit, boxed=self._model.reader.task == "detect", must_end=self._must_end)
        refused = found.refusal(limit) or self._too_few(found.photos)
        largest = found.largest if found.photos else None
        return measured.model_copy(
            update={"photos": found.photos, "largest_difference": largest, "refused": refused}
        )

    def _pairs(self, other: Model) -> Iterator[tuple[tuple[str, ...], list[Scored], list[Scored]]]:
        """What both say of photos, and of a part of each."""
        for number, photo in enumerate(self._photos[:: max(1, len(self._photos) // _MOST_PARTS)]):
            pixels = decode(photo.jpeg)
            for seen in (pixels, part_of(pixels, number)):
                yield photo.tags, self._model.say(seen), other.say(seen)

    def _must_end(self) -> bool:
        return time.monotonic() > self._end

    def _too_few(self, photos: int) -> str | None:
        enough = photos >= min(_LEAST_PHOTOS, len(self._photos))
        return None if enough else f"only {photos} photos could be compared in time"

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


def main(folder: str, seconds: str, quantised: str | None = None) -> int:
    """Print the choice, as JSON."""
    try:
        graph = Path(quantised) if quantised else None
        choice = Measured(Path(folder), float(seconds), graph).choose()
    except DahliaError as error:
        print(error, file=sys.stderr)
        return 1
    print(choice.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
