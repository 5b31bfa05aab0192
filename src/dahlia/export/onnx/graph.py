"""ONNX: one graph from pixels to calibrated probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.errors import ExportError, TrainingError
from dahlia.export.backbone_graph import FEATURES, INPUT, backbone_graph
from dahlia.modeling.card import ModelCard

FILE_NAME = "model.onnx"
OUTPUT = "model_output"


def write_onnx(path: Path, bundle: Path, card: ModelCard, opset: int, cache: Path) -> None:
    """Write and check the graph: `data` float32 (N, 3, size, size) to `model_output` (N, K).

    Raises:
        ExportError: an operation of the backbone has no ONNX form, or the checker refuses the file.
        TrainingError: the bundle is not whole.
    """
    proto = _load(backbone_graph(bundle, card, opset, cache))
    _append_head(proto.graph, bundle, card)
    proto.producer_name = "dahlia"
    helper.set_model_props(proto, _properties(card))
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX checker refuses the graph: {error}. Choose another backbone.") from error
    path.write_bytes(proto.SerializeToString())


def _load(kept: Path) -> onnx.ModelProto:
    try:
        onnx.checker.check_model(kept)
    except onnx.checker.ValidationError as error:
        raise ExportError(
            f"The graph {kept} is damaged ({error}). Delete the file (it is only a cache), then run again."
        ) from error
    return onnx.load(kept)


def _append_head(graph: onnx.GraphProto, bundle: Path, card: ModelCard) -> None:
    """Head and temperature as one product, then softmax or sigmoid."""
    weight, bias = _head(bundle)
    weight, bias = weight / card.temperature, bias / card.temperature
    graph.initializer.append(numpy_helper.from_array(weight.astype(np.float32), "head.weight"))
    graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), "head.bias"))
    graph.node.append(
        helper.make_node("Gemm", [FEATURES, "head.weight", "head.bias"], ["logits"], name="head", transB=1)
    )
    if card.classification == "multiclass":
        graph.node.append(helper.make_node("Softmax", ["logits"], [OUTPUT], name="probabilities", axis=-1))
    else:
        graph.node.append(helper.make_node("Sigmoid", ["logits"], [OUTPUT], name="probabilities"))
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, len(card.tags)])
    del graph.output[:]
    graph.output.append(output)


def _head(bundle: Path) -> tuple[np.ndarray, np.ndarray]:
    from safetensors import SafetensorError, safe_open

    path = bundle / "model.safetensors"
    try:
        with safe_open(path, "np") as tensors:
            return tensors.get_tensor("head.weight"), tensors.get_tensor("head.bias")
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error


def _properties(card: ModelCard) -> dict[str, str]:
    return {
        "Image.BitmapPixelFormat": "Rgb8",
        "Image.NominalPixelRange": "NominalRange_0_255",
        "Image.ColorSpaceGamma": "SRGB",
        "dahlia.tags": "\n".join(tag.name for tag in card.tags),
        "dahlia.domain": card.domain,
        "dahlia.version": card.dahlia_version,
    }


__all__ = ["FILE_NAME", "INPUT", "OUTPUT", "write_onnx"]
