"""One published model: its graph in ONNX Runtime, fed with what `model.json` asks for."""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dahlia.dataset.imaging import SERVED_PIXELS, load, to_tensor_layout
from dahlia.errors import ServiceError, runtime_errors
from dahlia.modeling.card import ModelCard, load_card
from dahlia.serving.models.readers import READERS, Reader, Scored

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_MEMORY = 1.25  # bytes for each of the file: the weights as the kernels want them; measured 1.1 to 1.2
_arena_lock = threading.Lock()


class Model:
    """A loaded model; safe to use from several threads.

    Args:
        session: the graph, with one input, float32 (N, 3, size, size), 0 to 255, and the outputs that the
            reader names. The order of the colours is read from its metadata.
        card: what it is, with its K tags in the order of the columns.
        reader: of the outputs.
        iteration: the iteration's id, a UUID.
        number: the iteration's number.
        memory: bytes that it takes, about, beside the arena that all share.
    """

    def __init__(
        self,
        session: InferenceSession,
        card: ModelCard,
        reader: Reader,
        iteration: str,
        number: int,
        memory: int,
    ) -> None:
        self.card = card
        self.reader = reader
        self.iteration = iteration
        self.number = number
        self.memory = memory
        self._session = session
        self._input = session.get_inputs()[0].name
        metadata = session.get_modelmeta().custom_metadata_map
        self._bgr = metadata.get("Image.BitmapPixelFormat") == "Bgr8"

    def predict(self, data: bytes) -> list[Scored]:
        """What the model says of a photo; see `Reader.read`.

        Args:
            data: an image file.

        Raises:
            ImageError: the file cannot be decoded.
        """
        pixels = load(data, self.card.input.size, max_decoded=SERVED_PIXELS)
        batch = to_tensor_layout([pixels[..., ::-1] if self._bgr else pixels])
        return self.reader.read(self._session.run(self.reader.outputs, {self._input: batch}))


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
    reader = READERS[card.kind](card)
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
        blank = np.zeros((1, 3, size, size), np.float32)
        answers = session.run(reader.outputs, {one.name: blank for one in session.get_inputs()})
        memory = int(_MEMORY * graph.stat().st_size)
    except runtime_errors() as error:
        raise _unusable(folder, str(error).splitlines()[0]) from error
    if len(session.get_inputs()) != 1:
        raise _unusable(folder, f"it takes {len(session.get_inputs())} inputs, expected one")
    if trouble := reader.trouble(answers):
        raise _unusable(folder, trouble)
    reader.read(answers)
    return Model(session, card, reader, iteration, number, memory)


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
