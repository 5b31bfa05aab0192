"""What can compute a published graph: by name, with the precision in which it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dahlia.errors import ConfigError, ServiceError, runtime_errors
from dahlia.imports import is_installed, is_there, require_extra
from dahlia.serving.models.compiled import Compiled, Precision, has_bfloat16
from dahlia.serving.models.engine import Engine, noise
from dahlia.serving.models.readers import Reader
from dahlia.serving.models.sessions import NAME, Sessions
from dahlia.settings.values import RuntimeName, RuntimeSetting

USUAL: RuntimeName = NAME
"""Serves until another is chosen."""
QUANTISER = "onnx"
"""The package that makes graphs of 8 bits; a machine that only serves may lack it."""


@dataclass(frozen=True)
class Runtime:
    """A way of computing a graph.

    Attributes:
        name: in settings and answers.
        package: that it needs.
        precision: of what is computed, for people.
        difference: the largest difference of a probability from the trained model's that is allowed; None
            where the graph is one of 8 bits, for which other rules hold.
        open: takes the ONNX file, the reader of its outputs, the threads of a run, and how many runs there
            are at once (see `Sessions`).
        is_possible: whether its package is installed, and this processor computes in its precision.
    """

    name: RuntimeName
    package: str
    precision: str
    difference: float | None
    open: Callable[[Path, Reader, int, int], Engine[Any]]
    is_possible: Callable[[], bool]

    @property
    def is_quantised(self) -> bool:
        """Whether it computes a graph of 8 bits, which is made of the model's."""
        return self.difference is None

    @property
    def title(self) -> str:
        """With the version of its package, for people."""
        try:
            return f"{self.package} {version(self.package)}, {self.precision}"
        except PackageNotFoundError:  # installed under another name, as ONNX Runtime for GPUs is
            return f"{self.package}, {self.precision}"

    def engine(self, graph: Path, reader: Reader, size: int, threads: int, at_once: int = 0) -> Engine[Any]:
        """Open a graph, and run it once.

        Args:
            graph: an ONNX file.
            reader: of its outputs.
            size: of the photos, pixels.
            threads: see `Sessions`.
            at_once: see `Sessions`.

        Raises:
            ServiceError: it cannot be computed, or its answers are not those of such a model.
        """
        try:
            engine = self.open(graph, reader, threads, at_once)
            trouble = reader.trouble(engine.settle(reader.outputs, size))
        except (*runtime_errors(), ImportError, LookupError) as error:  # type: ignore[misc]  # are exceptions
            trouble = " ".join(str(error).split())[:200]
        if trouble:
            raise ServiceError(
                "ErrorPredictionModelNotFound", f"{self.name} cannot compute {graph}: {trouble}."
            )
        return engine


def _compiled(precision: Precision) -> Callable[[Path, Reader, int, int], Engine[Any]]:
    def compiled(graph: Path, reader: Reader, threads: int, at_once: int) -> Engine[Any]:
        # Detectors gain nothing.
        together = reader.task == "classify" and _takes_several(graph, reader)
        return Compiled(graph, reader.outputs, threads, precision, at_once, together=together)

    return compiled


def _takes_several(graph: Path, reader: Reader) -> bool:
    """Whether ONNX Runtime computes two photos with a graph: OpenVINO does not check, and writes anywhere."""
    try:
        session = Sessions(graph, 1)
        answers = session.run(reader.outputs, noise(session.size, 2))
    except runtime_errors():
        return False
    return all(len(answer) == 2 for answer in answers)


def _has_openvino() -> bool:
    return is_installed("openvino")


def _has_bfloat16() -> bool:
    try:
        return _has_openvino() and has_bfloat16()
    except (ImportError, RuntimeError):  # installed, and unusable here
        return False


# What is allowed is what exports of the same precision may differ by.
RUNTIMES: dict[RuntimeName, Runtime] = {
    one.name: one
    for one in (
        Runtime(
            USUAL,
            "onnxruntime",
            "float32",
            1e-4,
            lambda graph, _, threads, at_once: Sessions(graph, threads, at_once),
            lambda: True,
        ),
        Runtime("openvino", "openvino", "float32", 1e-4, _compiled("f32"), _has_openvino),
        Runtime("openvino-bfloat16", "openvino", "bfloat16", 1e-2, _compiled("bf16"), _has_bfloat16),
        Runtime(
            "onnxruntime-int8",
            "onnxruntime",
            "int8",
            None,
            lambda graph, _, threads, at_once: Sessions(graph, threads, at_once),
            lambda: True,
        ),
        Runtime("openvino-int8", "openvino", "int8", None, _compiled("f32"), _has_openvino),
    )
}


def require_installed(setting: RuntimeSetting) -> None:
    """Refuse the setting of a runtime that is not installed.

    Raises:
        ConfigError: it is not.
    """
    if setting == "auto":
        return
    what = f"inference.runtime = {setting}"
    if RUNTIMES[setting].package == "openvino":
        require_extra("openvino", what)
    if RUNTIMES[setting].is_quantised and not is_there(QUANTISER):
        raise ConfigError(
            f"Expected the package {QUANTISER}, with which {what} makes graphs of 8 bits; received an "
            f"environment without. Run `pip install {QUANTISER}`, or set `auto`."
        )
