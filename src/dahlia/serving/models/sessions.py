"""A graph in ONNX Runtime: a session that keeps to the thread of its caller, and one that takes idle cores.

Many predictions at once are fastest with a thread each; one that is alone leaves cores idle. ONNX Runtime
fixes the threads of a session when it is opened, so there are two; see `engine`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from dahlia.processes import usable_cores
from dahlia.serving.models.engine import MOST_THREADS, Engine

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

NAME: Final = "onnxruntime"
_MEMORY = 1.25  # bytes for each of the file: the weights as the kernels want them; measured 1.1 to 1.2
_arena_lock = threading.Lock()


class Sessions(Engine["InferenceSession"]):
    """A graph in ONNX Runtime.

    Args:
        graph: the file.
        threads: of every run; 0 for one, and for as many as there are cores where nothing else runs.
        at_once: how many photos are computed at once; 0 for as many as there are cores.

    Attributes:
        inputs: names of what it takes.
        outputs: names of what it gives.
        size: pixels of an edge of the photos that it takes; 0 where it does not say.
        metadata: of the file.

    Raises:
        Exception: one of `dahlia.errors.runtime_errors`: it cannot be opened.
    """

    def __init__(self, graph: Path, threads: int, at_once: int = 0) -> None:
        plain = _session(graph, threads or 1)
        many = 1 if threads else min(usable_cores(), MOST_THREADS)
        wide = _session(graph, many) if many > 1 else None
        memory = int(_MEMORY * graph.stat().st_size)  # beside the arena that all share
        # In float32 several photos together take no less than one after the other.
        super().__init__(plain, wide, None, memory, at_once or usable_cores())
        self.inputs = tuple(one.name for one in plain.get_inputs())
        self.outputs = tuple(one.name for one in plain.get_outputs())
        edge = (plain.get_inputs()[0].shape or [0])[-1] if self.inputs else 0
        self.size = edge if isinstance(edge, int) else 0
        self.metadata: dict[str, str] = plain.get_modelmeta().custom_metadata_map

    @staticmethod
    def _computed(
        way: InferenceSession, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]:
        answers: list[npt.NDArray[Any]] = way.run(list(outputs), {way.get_inputs()[0].name: batch})
        return answers


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
