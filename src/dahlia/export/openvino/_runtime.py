"""OpenVINO, and what all its models share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from dahlia.errors import ExportError, VerificationError
from dahlia.export.port import unusable
from dahlia.imports import load_openvino

FILE_NAME = "model.xml"

ov: Any = load_openvino()
RUNTIME = f"OpenVINO {ov.__version__}"


def save_model(folder: Path, proto: onnx.ModelProto, architecture: str, *, halve: bool) -> None:
    """Write `model.xml` and `model.bin`.

    Args:
        folder: where to.
        proto: what is converted.
        architecture: of the backbone, for errors.
        halve: keep all constants in float16.

    Raises:
        ExportError: OpenVINO cannot read the graph.
    """
    try:
        model = ov.Core().read_model(proto.SerializeToString())
    except RuntimeError as error:
        text = " ".join(str(error).split())[:300]
        raise ExportError(
            f"{RUNTIME} cannot read the graph of {architecture}: {text}. Choose another backbone in "
            "conf/domain."
        ) from error
    _name_by_place(model)
    ov.save_model(model, folder / FILE_NAME, compress_to_fp16=halve)


def compiled_model(folder: Path) -> Any:
    """The model for the CPU, computing in float32.

    Raises:
        VerificationError: the runtime cannot load it.
    """
    path = folder / FILE_NAME
    # Processors with bfloat16 compute in it unless told otherwise, each with other digits.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        return ov.Core().compile_model(path, "CPU", exact)
    except RuntimeError as error:
        raise cannot("load", error) from error


def cannot(what: Any, error: Exception) -> VerificationError:
    """The error of a `model.xml` that the runtime cannot `load` or `run`."""
    return unusable(RUNTIME, what, FILE_NAME, error)


def _name_by_place(model: Any) -> None:
    """Name what the graph leaves without a name by its place; a counter of the process names it otherwise."""
    for place, node in enumerate(model.get_ordered_ops()):
        if node.get_friendly_name() == node.get_name():
            node.set_friendly_name(f"{node.get_type_name()}_{place}")
