"""ONNX: one graph from pixels to calibrated probabilities."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import onnx
import torch

from dahlia.errors import ExportError
from dahlia.modeling.card import ModelCard
from dahlia.modeling.classifier import Classifier

FILE_NAME = "model.onnx"
INPUT = "data"
OUTPUT = "model_output"


def write_onnx(path: Path, model: Classifier, card: ModelCard, opset: int) -> None:
    """Write and check the graph: `data` float32 (N, 3, size, size) to `model_output` (N, K).

    Raises:
        ExportError: an operation of the backbone has no ONNX form, or the checker refuses the file.
    """
    example = torch.zeros(2, 3, card.input.size, card.input.size)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside the exporter are its authors' to mend.
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                opset_version=opset,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(
            f"{card.backbone.architecture} cannot be written as ONNX: {error}. Choose another backbone in "
            "conf/domain."
        ) from error
    if program is None:
        raise ExportError("The ONNX exporter returned nothing, expected a program. Run the stage again.")
    proto = program.model_proto
    proto.producer_name = "dahlia"
    _forget_where(proto.graph)
    onnx.helper.set_model_props(proto, _properties(card))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX checker refuses the graph: {error}. Choose another backbone.") from error
    path.write_bytes(proto.SerializeToString())


def _forget_where(graph: onnx.GraphProto) -> None:
    # The exporter notes a stack trace beside every node, with the paths of this machine.
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]


def _properties(card: ModelCard) -> dict[str, str]:
    return {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.ColorSpaceGamma": "SRGB",
        "dahlia.tags": "\n".join(tag.name for tag in card.tags),
        "dahlia.domain": card.domain,
        "dahlia.version": card.dahlia_version,
    }
