"""A graph in OpenVINO: compiled for many predictions at once, and for one that takes idle cores.

As with ONNX Runtime (see `sessions`), the threads of a compiled graph are fixed, so there are two.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from dahlia.processes import usable_cores
from dahlia.serving.models.quicker import Quicker
from dahlia.serving.models.sessions import MOST_THREADS, noise
from dahlia.serving.onnx_messages import with_outputs

Precision = Literal["f32", "bf16"]
"""Of what is computed, as OpenVINO names it."""

_MEMORY = 2.5  # bytes for each of the file, of one way of compiling: weights, and the maps of two requests
_REPORTS = "openvino_telemetry"


class Compiled:
    """Computes a graph; safe to use from several threads.

    Args:
        graph: an ONNX file with one input.
        outputs: names of what it will be asked for.
        threads: of every run; 0 for one, and for as many as there are cores where nothing else runs.
        precision: of what is computed. Weights of 8 bits stay such.

    Raises:
        Exception: one of `dahlia.errors.runtime_errors`: it cannot be compiled.
    """

    def __init__(self, graph: Path, outputs: Sequence[str], threads: int, precision: Precision) -> None:
        cores = min(usable_cores(), MOST_THREADS)
        model = core().read_model(with_outputs(graph.read_bytes(), outputs))
        self._order = [place.any_name for place in model.outputs]
        many = 1 if threads else cores
        self._plain = _Requests(model, precision, streams=cores, threads=cores * (threads or 1))
        self._wide = _Requests(model, precision, streams=1, threads=many) if many > 1 else None
        self._quicker = Quicker()
        self._size = graph.stat().st_size

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""
        return int(_MEMORY * self._size) * (1 if self._wide is None else 2)

    def run(
        self, outputs: Sequence[str], batch: npt.NDArray[np.float32], *, alone: bool = False
    ) -> list[npt.NDArray[Any]]:
        """What the graph answers.

        Args:
            outputs: names of what is asked for.
            batch: (N, 3, size, size).
            alone: whether it may take all cores, which it does where that is quicker.
        """
        if not alone or self._wide is None:
            return self._named(self._plain.run(batch), outputs)
        way = self._quicker.choose()
        began = perf_counter()
        answers = (self._wide if way else self._plain).run(batch)
        self._quicker.took(way, perf_counter() - began)
        return self._named(answers, outputs)

    def settle(self, outputs: Sequence[str], size: int) -> list[npt.NDArray[Any]]:
        """Run it once in each way, and give up the one for idle cores where it gives other bits.

        Args:
            outputs: names of what is asked for.
            size: of the photos, pixels.

        Returns:
            The answers.
        """
        answers = self._plain.run(noise(size))
        if self._wide is not None:
            others = self._wide.run(noise(size))
            if [one.tobytes() for one in answers] != [other.tobytes() for other in others]:
                self._wide = None
        return self._named(answers, outputs)

    def _named(self, answers: list[npt.NDArray[Any]], names: Sequence[str]) -> list[npt.NDArray[Any]]:
        return [answers[self._order.index(name)] for name in names]


class _Requests:
    """A compiled graph, with a request for each thread that asks."""

    def __init__(self, model: Any, precision: Precision, *, streams: int, threads: int) -> None:
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_CPU_PINNING": False,  # the service's processes would all take the first cores
        }
        self._compiled = core().compile_model(model, "CPU", options)
        self._own = threading.local()

    def run(self, batch: npt.NDArray[np.float32]) -> list[npt.NDArray[Any]]:
        request = getattr(self._own, "request", None)
        if request is None:
            request = self._own.request = self._compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        # The request's own memory is written again by the next prediction of this thread.
        return [
            np.array(request.get_output_tensor(place).data) for place in range(len(self._compiled.outputs))
        ]


@functools.cache
def core() -> Any:
    """OpenVINO, loaded without the usage statistics that importing it sends.

    Raises:
        ImportError: it is not installed.
    """
    absent = _REPORTS not in sys.modules
    if absent:
        sys.modules[_REPORTS] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino").Core()
    finally:
        if absent:
            del sys.modules[_REPORTS]
