"""A graph in ONNX Runtime: a session that keeps to the thread of its caller, and one that takes idle cores.

Many predictions at once are fastest with a thread each; one that is alone leaves cores idle. ONNX Runtime
fixes the threads of a session when it is opened, so there are two, and who asks says which. Both must give
the same bits: otherwise an answer would depend on who else asks.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dahlia.processes import usable_cores
from dahlia.serving.models.quicker import Quicker

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MOST_THREADS = 4  # of a prediction that is alone
_MEMORY = 1.25  # bytes for each of the file: the weights as the kernels want them; measured 1.1 to 1.2
_arena_lock = threading.Lock()

_logger = logging.getLogger("bentoml.dahlia")


class Sessions:
    """Computes a graph; safe to use from several threads.

    Args:
        graph: the file.
        threads: of every run; 0 for one, and for as many as there are cores where nothing else runs.

    Attributes:
        inputs: names of what it takes.
        metadata: of the file.

    Raises:
        Exception: one of `dahlia.errors.runtime_errors`: it cannot be opened.
    """

    def __init__(self, graph: Path, threads: int) -> None:
        self._plain = _session(graph, threads or 1)
        many = 1 if threads else min(usable_cores(), MOST_THREADS)
        self._wide = _session(graph, many) if many > 1 else None
        self._quicker = Quicker()
        self.inputs = tuple(one.name for one in self._plain.get_inputs())
        self.metadata: dict[str, str] = self._plain.get_modelmeta().custom_metadata_map
        self._size = graph.stat().st_size

    @property
    def memory(self) -> int:
        """Bytes that it takes, about, beside the arena that all share."""
        return int(_MEMORY * self._size) * (1 if self._wide is None else 2)

    def run(
        self, outputs: Sequence[str], batch: npt.NDArray[np.float32], *, alone: bool = False
    ) -> list[npt.NDArray[Any]]:
        """What the graph answers; it has one input.

        Args:
            outputs: names of what is asked for.
            batch: (N, 3, size, size).
            alone: whether it may take all cores, which it does where that is quicker.
        """
        if not alone or self._wide is None:
            return self._computed(self._plain, outputs, batch)
        way = self._quicker.choose()
        began = perf_counter()
        answers = self._computed(self._wide if way else self._plain, outputs, batch)
        self._quicker.took(way, perf_counter() - began)
        return answers

    @staticmethod
    def _computed(
        session: InferenceSession, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]:
        answers: list[npt.NDArray[Any]] = session.run(list(outputs), {session.get_inputs()[0].name: batch})
        return answers

    def settle(self, outputs: Sequence[str], size: int) -> list[npt.NDArray[Any]]:
        """Run each session once, and give up the one for idle cores where it gives other bits.

        How work is divided does not depend on the numbers in it: sessions that give the same bits for noise
        add in the same order, and give the same for every photo.

        Args:
            outputs: names of what is asked for.
            size: of the photos, pixels.

        Returns:
            The answers.
        """
        answers = self._computed(self._plain, outputs, noise(size))
        if self._wide is not None:
            others = self._computed(self._wide, outputs, noise(size))
            if [one.tobytes() for one in answers] != [other.tobytes() for other in others]:
                _logger.info("Several threads add in another order than one: each prediction takes one.")
                self._wide = None
        return answers


def noise(size: int) -> npt.NDArray[np.float32]:
    """A picture of noise, always the same, (1, 3, size, size)."""
    return np.random.default_rng(0).integers(0, 256, (1, 3, size, size)).astype(np.float32)


def _session(graph: Path, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    _share_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # What stays as long as the model is no part of the arena, which gives nothing back.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    # By its path: a session would keep the bytes.
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


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
