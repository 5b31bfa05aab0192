"""One ONNX graph from pixels to calibrated probabilities."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.errors import ExportError, TrainingError
from dahlia.export.conventions import OUTPUTS
from dahlia.export.onnx.backbone_graph import FEATURES, INPUT, OPSET, backbone_graph
from dahlia.export.onnx.pixels import take_pixels
from dahlia.export.source import Source
from dahlia.modeling.card import ModelCard
from dahlia.params import Channels

FILE_NAME = "model.onnx"
OUTPUT = "model_output"
HEAD = "head"
_IR_VERSION = 9  # of ONNX Runtime 1.17


def probability_graph(source: Source, channels: Channels, full: int = 255) -> onnx.ModelProto:
    """The graph in float32: `data` (N, 3, size, size) to `model_output` (N, K).

    Args:
        source: the trained model; torch is imported only where its backbone has not been converted before.
        channels: the order of colours in `data`.
        full: what white is in `data`: 255 or 1.

    Raises:
        ExportError: an operation of the backbone has no ONNX form.
        TrainingError: the bundle is not whole.
    """
    proto = backbone_graph(source)
    take_pixels(proto.graph, channels, full)
    _append_head(proto.graph, source.bundle, source.card)
    proto.ir_version = _IR_VERSION
    return proto


def save_graph(path: Path, proto: onnx.ModelProto) -> None:
    """Check the graph and write it.

    Raises:
        ExportError: the checker refuses it.
    """
    try:
        onnx.checker.check_model(proto, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"The ONNX checker refuses the graph: {error}. Choose another backbone.") from error
    path.write_bytes(proto.SerializeToString(deterministic=True))


def _append_head(graph: onnx.GraphProto, bundle: Path, card: ModelCard) -> None:
    """Head and temperature as one product, then what makes probabilities of it."""
    weight, bias = _head(bundle)
    weight, bias = weight / card.temperature, bias / card.temperature
    names = [f"{HEAD}.weight", f"{HEAD}.bias"]
    for name, values in zip(names, (weight, bias), strict=True):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))
    graph.node.append(helper.make_node("Gemm", [FEATURES, *names], ["logits"], name=HEAD, transB=1))
    head = OUTPUTS[card.kind]
    node = helper.make_node(head.activation, ["logits"], [OUTPUT], name="probabilities", **head.options)
    graph.node.append(node)
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


__all__ = ["FILE_NAME", "HEAD", "INPUT", "OPSET", "OUTPUT", "probability_graph", "save_graph"]
