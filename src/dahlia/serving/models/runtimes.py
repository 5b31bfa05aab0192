"""What can compute a published graph: by name, with the precision in which it computes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from dahlia.errors import ConfigError, runtime_errors
from dahlia.serving.models.compiled import Compiled, Precision, core
from dahlia.serving.models.sessions import Sessions

Name = Literal["onnxruntime", "openvino", "openvino-bfloat16"]
USUAL: Name = "onnxruntime"
"""Serves until another is chosen."""


def cannot() -> tuple[type[Exception], ...]:
    """Every kind of error where a graph cannot be opened or computed."""
    return runtime_errors() + (ImportError,)  # noqa: RUF005


class Engine(Protocol):
    """Computes a graph; safe to use from several threads."""

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""

    def run(
        self, outputs: Sequence[str], batch: npt.NDArray[np.float32], *, alone: bool = False
    ) -> list[npt.NDArray[Any]]:
        """What the graph answers; see `Sessions.run`."""

    def settle(self, outputs: Sequence[str], size: int) -> list[npt.NDArray[Any]]:
        """Run it once; see `Sessions.settle`."""


@dataclass(frozen=True)
class Runtime:
    """A way of computing a graph.

    Attributes:
        name: in settings and answers.
        package: that it needs.
        precision: of what is computed, for people.
        difference: the largest difference of a probability from the trained model's that is allowed.
        open: takes the ONNX file, the names of the outputs, and the threads of a run (see `Sessions`).
    """

    name: Name
    package: str
    precision: str
    difference: float
    open: Callable[[Path, Sequence[str], int], Engine]

    @property
    def title(self) -> str:
        """With the version of its package, for people."""
        return f"{self.package} {version(self.package)}, {self.precision}"

    @property
    def is_installed(self) -> bool:
        """Whether its package is there."""
        return importlib.util.find_spec(self.package) is not None

    def is_possible(self) -> bool:
        """Whether its package is there and this processor computes in its precision."""
        if not self.is_installed:
            return False
        if self.name != "openvino-bfloat16":
            return True
        return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _compiled(precision: Precision) -> Callable[[Path, Sequence[str], int], Engine]:
    return lambda graph, outputs, threads: Compiled(graph, outputs, threads, precision)


# What is allowed is what exports of the same precision may differ by.
RUNTIMES: dict[Name, Runtime] = {
    one.name: one
    for one in (
        Runtime(USUAL, "onnxruntime", "float32", 1e-4, lambda graph, _, threads: Sessions(graph, threads)),
        Runtime("openvino", "openvino", "float32", 1e-4, _compiled("f32")),
        Runtime("openvino-bfloat16", "openvino", "bfloat16", 1e-2, _compiled("bf16")),
    )
}


def require_installed(name: str) -> None:
    """Refuse the setting of a runtime that is not installed.

    Raises:
        ConfigError: it is not.
    """
    runtime = RUNTIMES.get(name)  # type: ignore[call-overload]  # `auto` is none
    if runtime is not None and not runtime.is_installed:
        raise ConfigError(
            f"Expected the package {runtime.package} for inference.runtime = {name}, and it is not "
            "installed. Install it with `pip install 'dahlia[openvino]'`, or set inference.runtime to auto."
        )
