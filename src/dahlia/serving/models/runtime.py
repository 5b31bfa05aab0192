"""One published model: its graph, fed with what `model.json` asks for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import SERVED_PIXELS, Pixels, load, to_tensor_layout
from dahlia.errors import ServiceError, runtime_errors
from dahlia.modeling.card import ModelCard, load_card
from dahlia.serving.models.engine import Engine, in_company
from dahlia.serving.models.readers import READERS, Reader, Scored
from dahlia.serving.models.sessions import NAME, Sessions


class Model:
    """A loaded model; safe to use from several threads.

    Args:
        graph: it has one input, float32 (N, 3, size, size), 0 to 255, and the outputs that the reader names.
            The order of the colours is read from its metadata.
        card: what it is, with its K tags in the order of the columns.
        reader: of the outputs.
        iteration: the iteration's id, a UUID.
        number: the iteration's number.

    Attributes:
        engine: computes it.
        runtime: the name of that, as `inference.runtime` names it.
    """

    def __init__(self, graph: Sessions, card: ModelCard, reader: Reader, iteration: str, number: int) -> None:
        self.card = card
        self.reader = reader
        self.iteration = iteration
        self.number = number
        self.runtime: str = NAME
        self.engine: Engine[Any] = graph
        self._bgr = graph.metadata.get("Image.BitmapPixelFormat") == "Bgr8"

    @property
    def memory(self) -> int:
        """Bytes that it takes, about, beside the arena that all share."""
        return self.engine.memory

    def take(self, engine: Engine[Any], runtime: str) -> None:
        """Let another engine compute it from the next prediction on.

        Args:
            engine: of the same graph.
            runtime: its name.
        """
        self.engine, self.runtime = engine, runtime

    def predict(self, data: bytes, alone: Callable[[], bool] = in_company) -> list[Scored]:
        """What the model says of a photo; see `Reader.read`. The answer does not depend on `alone`.

        Args:
            data: an image file.
            alone: is asked before the graph is computed whether it may take all cores.

        Raises:
            ImageError: the file cannot be decoded.
        """
        engine = self.engine  # may be another one by the next line
        with engine.coming():
            batch = self._batch(load(data, self.card.input.size, max_decoded=SERVED_PIXELS))
        return self.reader.read(engine.run(self.reader.outputs, batch, alone=alone()))

    def say(self, pixels: Pixels) -> list[Scored]:
        """What the model says of (size, size, 3) RGB pixels; see `predict`."""
        return self.reader.read(self.engine.run(self.reader.outputs, self._batch(pixels)))

    def _batch(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        return to_tensor_layout([pixels[..., ::-1] if self._bgr else pixels])


def load_model(folder: Path, iteration: str, number: int, threads: int = 1, at_once: int = 0) -> Model:
    """Load `model.onnx` and `model.json`, and run the graph once.

    Args:
        folder: where they are.
        iteration: the iteration's id.
        number: the iteration's number.
        threads: threads of one prediction; 0 for one, and for all cores where a prediction is alone.
        at_once: photos computed at once; 0 for as many as there are cores.

    Raises:
        ServiceError: the graph cannot be loaded or does not fit the card.
        TrainingError: `model.json` is missing or does not fit.
    """
    card = load_card(folder)
    reader = READERS[card.kind](card)
    try:
        graph = Sessions(folder / "model.onnx", threads, at_once)
        if len(graph.inputs) != 1:
            raise _unusable(folder, f"it takes {len(graph.inputs)} inputs, expected one")
        answers = graph.settle(reader.outputs, card.input.size)
    except runtime_errors() as error:
        raise _unusable(folder, str(error).splitlines()[0]) from error
    if trouble := reader.trouble(answers):
        raise _unusable(folder, trouble)
    reader.read(answers)
    return Model(graph, card, reader, iteration, number)


def _unusable(folder: Path, reason: str) -> ServiceError:
    return ServiceError(
        "ErrorPredictionModelNotFound",
        f"{folder / 'model.onnx'} cannot be served: {reason}. Publish another iteration, or record this one "
        "again with `dvc repro`.",
    )
