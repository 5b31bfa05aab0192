"""A graph in OpenVINO: compiled for many predictions at once, and for one that takes idle cores.

As with ONNX Runtime, the threads of a compiled graph are fixed, so there are two; see `engine`.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dahlia.imports import load_openvino
from dahlia.processes import usable_cores
from dahlia.serving.models.engine import MOST_THREADS, Engine
from dahlia.serving.onnx_messages import with_outputs

Precision = Literal["f32", "bf16"]
"""Of what is computed, as OpenVINO names it."""

_MEMORY = 2.5  # bytes for each of the file, of one way of compiling: weights, and the maps of two requests


class Compiled(Engine["_Requests"]):
    """A graph in OpenVINO.

    Args:
        graph: an ONNX file with one input.
        outputs: names of what it will be asked for.
        threads: of every run; 0 for one, and for as many as there are cores where nothing else runs.
        precision: of what is computed.

    Raises:
        Exception: one of `dahlia.errors.runtime_errors`: it cannot be compiled.
    """

    def __init__(self, graph: Path, outputs: Sequence[str], threads: int, precision: Precision) -> None:
        cores = min(usable_cores(), MOST_THREADS)
        model = _core().read_model(with_outputs(graph.read_bytes(), outputs))
        plain = _Requests(model, precision, streams=cores, threads=cores * (threads or 1))
        is_wide = not threads and cores > 1
        wide = _Requests(model, precision, streams=1, threads=cores) if is_wide else None
        super().__init__(plain, wide, int(_MEMORY * graph.stat().st_size))

    @staticmethod
    def _computed(
        way: _Requests, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]:
        return way.run(outputs, batch)


class _Requests:
    """A compiled graph, with a request for each thread that asks."""

    def __init__(self, model: Any, precision: Precision, *, streams: int, threads: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the service's processes would all take the first cores
        }
        self._compiled = _core().compile_model(model, "CPU", options)
        self._own = threading.local()

    def run(self, outputs: Sequence[str], batch: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        # The request's own memory is written again by the next prediction of this thread.
        return [np.array(request.get_tensor(name).data) for name in outputs]


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def _core() -> Any:
    return load_openvino().Core()
