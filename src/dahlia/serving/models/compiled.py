"""A graph in OpenVINO: compiled for a photo, for several, and for one that takes idle cores.

Threads are fixed where a graph is compiled, and where the number of photos is fixed as well, a photo takes a
tenth less. So there are three; see `engine`.
"""

from __future__ import annotations

import functools
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

_MEMORY = 2.0  # bytes for each of the file, of one way of compiling: weights and maps; measured 1.7 to 2.5


class Compiled(Engine["_Requests"]):
    """A graph in OpenVINO.

    Args:
        graph: an ONNX file with one input.
        outputs: names of what it will be asked for.
        threads: of every run; 0 for one, and for as many as there are cores where nothing else runs.
        precision: of what is computed.
        at_once: how many batches are computed at once; 0 for as many as there are cores.
        together: whether the graph takes several photos. One that does not may write where it should not.

    Raises:
        Exception: one of `dahlia.errors.runtime_errors`: it cannot be compiled.
    """

    def __init__(
        self,
        graph: Path,
        outputs: Sequence[str],
        threads: int,
        precision: Precision,
        at_once: int = 0,
        *,
        together: bool = False,
    ) -> None:
        cores = min(usable_cores(), MOST_THREADS)
        at_once = at_once or usable_cores()
        model = _core().read_model(with_outputs(graph.read_bytes(), outputs))
        one = _for_one(model)
        each = at_once * (threads or 1)
        plain = _Requests(one, precision, streams=at_once, threads=each)
        many = _Requests(model, precision, streams=at_once, threads=each) if together else None
        is_wide = not threads and cores > 1
        wide = _Requests(one, precision, streams=1, threads=cores) if is_wide else None
        super().__init__(plain, wide, many, int(_MEMORY * graph.stat().st_size), at_once)

    @staticmethod
    def _computed(
        way: _Requests, outputs: Sequence[str], batch: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[Any]]:
        return way.run(outputs, batch)


def _for_one(model: Any) -> Any:
    alone = model.clone()
    shape = alone.input(0).partial_shape
    shape[0] = 1
    alone.reshape(shape)
    return alone


class _Requests:
    """A compiled graph, with as many requests as were ever under way at once: each has all maps."""

    def __init__(self, model: Any, precision: Precision, *, streams: int, threads: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the service's processes would all take the first cores
        }
        self._compiled = _core().compile_model(model, "CPU", options)
        self._idle: list[Any] = []

    def run(self, outputs: Sequence[str], batch: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        # The request's own memory is written again by the next prediction.
        answers = [np.array(request.get_tensor(name).data) for name in outputs]
        self._idle.append(request)
        return answers


def has_bfloat16() -> bool:
    """Whether this processor computes in bfloat16.

    Raises:
        ImportError: OpenVINO is not installed.
    """
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@functools.cache
def _core() -> Any:
    return load_openvino().Core()
