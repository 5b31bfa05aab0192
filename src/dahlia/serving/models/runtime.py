"""One published model: its graph in ONNX Runtime, fed with what `model.json` asks for."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dahlia.dataset.imaging import SERVED_PIXELS, load, to_tensor_layout
from dahlia.errors import ServiceError, runtime_errors
from dahlia.kinds import Kind
from dahlia.modeling.card import ModelCard, TagCard, load_card

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT = "data"
OUTPUT = "model_output"

_MEMORY = 1.25  # bytes for each of the file: the weights as the kernels want them; measured 1.1 to 1.2
_arena_lock = threading.Lock()


@dataclass(frozen=True)
class Scored:
    """A tag and its calibrated probability, 0 to 1, with the precision of the graph's float32."""

    tag: TagCard
    probability: float


def _ranked(tags: Sequence[TagCard], probabilities: npt.NDArray[np.float32]) -> list[Scored]:
    """Every tag, the most probable first."""
    # The shortest text of the float32 number, not the float64 that it widens to.
    scored = [Scored(tag, float(str(value))) for tag, value in zip(tags, probabilities, strict=True)]
    return sorted(scored, key=lambda one: -one.probability)


READERS: dict[Kind, Callable[[Sequence[TagCard], npt.NDArray[np.float32]], list[Scored]]] = {
    "multiclass": _ranked,
    "multilabel": _ranked,
}
"""What a model's tags and its answer to one image, without the first axis, say of it."""


class Model:
    """A loaded model; safe to use from several threads.

    Args:
        session: the graph: `data` float32 (N, 3, size, size), 0 to 255, in; `model_output` float32
            (N, K) out. The order of the colours is read from its metadata.
        card: what it is, with its K tags in the order of the columns.
        iteration: the iteration's id, a UUID.
        number: the iteration's number.
        memory: bytes that it takes, about, beside the arena that all share.
    """

    def __init__(
        self, session: InferenceSession, card: ModelCard, iteration: str, number: int, memory: int
    ) -> None:
        self.card = card
        self.iteration = iteration
        self.number = number
        self.memory = memory
        self._session = session
        metadata = session.get_modelmeta().custom_metadata_map
        self._bgr = metadata.get("Image.BitmapPixelFormat") == "Bgr8"

    def predict(self, data: bytes) -> list[Scored]:
        """What `READERS` makes of the answer: every tag, the most probable first.

        Args:
            data: an image file.

        Raises:
            ImageError: the file cannot be decoded.
        """
        pixels = load(data, self.card.input.size, max_decoded=SERVED_PIXELS)
        batch = to_tensor_layout([pixels[..., ::-1] if self._bgr else pixels])
        return READERS[self.card.kind](self.card.tags, self._session.run([OUTPUT], {INPUT: batch})[0][0])


def load_model(folder: Path, iteration: str, number: int, threads: int = 1) -> Model:
    """Load `model.onnx` and `model.json`, and run the graph once.

    Args:
        folder: where they are.
        iteration: the iteration's id.
        number: the iteration's number.
        threads: threads of one prediction.

    Raises:
        ServiceError: the graph cannot be loaded or does not fit the card.
        TrainingError: `model.json` is missing or does not fit.
    """
    import onnxruntime

    card = load_card(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # What stays as long as the model is no part of the arena, which gives nothing back.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    graph, size = folder / "model.onnx", card.input.size
    try:
        # By its path: a session would keep the bytes.
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        shape = session.run([OUTPUT], {INPUT: np.zeros((1, 3, size, size), np.float32)})[0].shape
        memory = int(_MEMORY * graph.stat().st_size)
    except runtime_errors() as error:
        raise _unusable(folder, str(error).splitlines()[0]) from error
    if shape != (1, len(card.tags)):
        raise _unusable(folder, f"it gives {shape}, expected (1, {len(card.tags)})")
    return Model(session, card, iteration, number, memory)


def _share_arena() -> None:
    with _arena_lock:
        _register_arena()


@functools.cache
def _register_arena() -> None:
    """Let all models of this process keep the maps between their layers in one arena.

    A session's own keeps what as many threads as ever asked it at once took: with four threads and an
    EfficientNet-Lite2 at 260 px, 60 MB for each model that is loaded.
    """
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(place, None)


def _unusable(folder: Path, reason: str) -> ServiceError:
    return ServiceError(
        "ErrorPredictionModelNotFound",
        f"{folder / 'model.onnx'} cannot be served: {reason}. Publish another iteration, or record this one "
        "again with `dvc repro`.",
    )
