"""Measures the runtimes that are installed, and finds the fastest that says what the model says.

    python -m dahlia.serving.choice.measuring FOLDER SECONDS

runs in a process of its own: whatever a runtime does to it, the service goes on. It prints a `Choice`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from dahlia.dataset.imaging import to_tensor_layout
from dahlia.dataset.proof_photos import ProofPhoto, load_photos
from dahlia.errors import DahliaError, ServiceError
from dahlia.modeling.card import ModelCard, load_card
from dahlia.serving.choice.judging import Comparison, compare
from dahlia.serving.choice.remembered import Choice, Tried, machine
from dahlia.serving.models.readers import READERS, Reader, Scored
from dahlia.serving.models.runtimes import RUNTIMES, USUAL, Engine, Name, Runtime, cannot
from dahlia.serving.models.sessions import Sessions, noise

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
        self._graph = folder / "model.onnx"
        self._card: ModelCard = load_card(folder)
        self._reader: Reader = READERS[self._card.kind](self._card)
        self._photos = load_photos(folder, self._card.input.size)
        self._end = time.monotonic() + seconds
        self._bgr = Sessions(self._graph, 1).metadata.get("Image.BitmapPixelFormat") == "Bgr8"

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

    def _opened(self) -> tuple[dict[Name, Engine], dict[Name, Tried]]:
        engines: dict[Name, Engine] = {}
        refused: dict[Name, Tried] = {}
        for name, runtime in RUNTIMES.items():
            try:
                if not runtime.is_possible():
                    continue
                engine = runtime.open(self._graph, self._reader.outputs, 1)
                trouble = self._reader.trouble(engine.settle(self._reader.outputs, self._card.input.size))
            except cannot() as error:
                trouble = " ".join(str(error).split())[:200]
            if trouble:
                refused[name] = Tried(runtime=name, refused=trouble)
            else:
                engines[name] = engine
        if USUAL not in engines:
            raise ServiceError("ErrorPredictionModelNotFound", f"{self._graph} cannot be served.", status=500)
        return engines, refused

    def _judged(
        self, name: Name, times: dict[Name, float], engines: dict[Name, Engine], *, proven: bool
    ) -> Tried:
        """What to say of a runtime; `proven` if a faster one was taken."""
        measured = Tried(runtime=name, milliseconds=times[name])
        if name == USUAL or proven:
            return measured
        if times[name] > _GAIN * times[USUAL]:
            return measured.model_copy(update={"refused": "it is not faster than ONNX Runtime"})
        found = self._compared(engines[USUAL], engines[name], RUNTIMES[name])
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

    def _times(self, engines: dict[Name, Engine]) -> dict[Name, float]:
        """Milliseconds of a prediction: the shortest, as longer ones say more of other programs."""
        batch, outputs = noise(self._card.input.size), self._reader.outputs
        shortest = dict.fromkeys(engines, float("inf"))
        for _ in range(_ROUNDS):
            for name, engine in engines.items():
                began = time.perf_counter()
                engine.run(outputs, batch)
                shortest[name] = min(shortest[name], 1000 * (time.perf_counter() - began))
        return shortest

    def _compared(self, usual: Engine, other: Engine, runtime: Runtime) -> Comparison:
        boxed = self._reader.task == "detect"
        pairs = self._answers(usual, other, self._photos)
        return compare(pairs, runtime.difference, boxed=boxed, must_end=lambda: time.monotonic() > self._end)

    def _answers(
        self, usual: Engine, other: Engine, photos: Sequence[ProofPhoto]
    ) -> Iterator[tuple[list[Scored], list[Scored]]]:
        for photo in photos:
            pixels = photo.pixels
            batch = to_tensor_layout([pixels[..., ::-1] if self._bgr else pixels])
            first, second = (
                self._reader.read(engine.run(self._reader.outputs, batch)) for engine in (usual, other)
            )
            yield first, second


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
