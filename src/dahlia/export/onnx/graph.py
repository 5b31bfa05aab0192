"""One ONNX graph from pixels to calibrated probabilities: what takes the pixels, the backbone, and the head.

The graph of the backbone is kept. Quick trainings make it, and change only the head: an export of their model
imports no torch.

Clients of Custom Vision read more in `model.onnx` than `model_output`. `classLabel` is the most probable
tag and `loss` a dictionary from tag to probability, an entry per image. The properties, which published
samples read, say how the file takes its pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from dahlia.errors import ExportError, TrainingError
from dahlia.export.port import OUTPUTS, Source
from dahlia.modeling.backbone_graph import FEATURES, INPUT, kept_graph
from dahlia.modeling.card import ModelCard
from dahlia.params import Channels

BGR_TO_RGB, TO_255 = "bgr_to_rgb", "to_255"
FILE_NAME = "model.onnx"
OUTPUT = "model_output"
HEAD = "head"
GATE = "gate"
GATED = "gated"
IR_VERSION = 9  # of ONNX Runtime 1.17


def probability_graph(source: Source) -> onnx.ModelProto:
    """The graph in float32: `data` (N, 3, size, size) RGB, 0 to 255, to `model_output` (N, K).

    Args:
        source: the trained model; torch is imported only where its backbone has not been converted before.

    Raises:
        ExportError: an operation of the backbone has no ONNX form.
        TrainingError: the bundle is not whole.
    """
    proto = backbone_graph(source)
    _append_head(proto.graph, source.bundle, source.card)
    proto.ir_version = IR_VERSION
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
    """Head and temperature as one product, then what makes probabilities of it, and the gate."""
    tensors = _head(bundle)
    weight, bias = tensors[HEAD]
    _linear(graph, HEAD, weight / card.temperature, bias / card.temperature, "logits")
    head, gated = OUTPUTS[card.kind], GATE in tensors
    answered = "ungated" if gated else OUTPUT
    node = helper.make_node(head.activation, ["logits"], [answered], name="probabilities", **head.options)
    graph.node.append(node)
    if gated:
        _linear(graph, GATE, *tensors[GATE], "gate_logit")
        opening = helper.make_node("Sigmoid", ["gate_logit"], ["any_tag"], name="any_tag")
        graph.node.extend([opening, helper.make_node("Mul", [answered, "any_tag"], [OUTPUT], name=GATED)])
    batch = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [batch, len(card.tags)])
    del graph.output[:]
    graph.output.append(output)


def _linear(graph: onnx.GraphProto, name: str, weight: np.ndarray, bias: np.ndarray, output: str) -> None:
    names = [f"{name}.weight", f"{name}.bias"]
    for tensor, values in zip(names, (weight, bias), strict=True):
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), tensor))
    graph.node.append(helper.make_node("Gemm", [FEATURES, *names], [output], name=name, transB=1))


def _head(bundle: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Weight and bias of the head, and of the gate where there is one."""
    from safetensors import SafetensorError, safe_open

    path = bundle / "model.safetensors"
    try:
        with safe_open(path, "np") as tensors:
            names = set(tensors.keys())
            return {
                name: (tensors.get_tensor(f"{name}.weight"), tensors.get_tensor(f"{name}.bias"))
                for name in (HEAD, GATE)
                if name == HEAD or f"{name}.weight" in names
            }
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path} could not be read ({error}). Run `dvc repro train` to train it again."
        ) from error


def backbone_graph(source: Source) -> onnx.ModelProto:
    """The graph of the backbone: `data` float32 (N, 3, size, size) RGB to `features` (N, D).

    Raises:
        ExportError: an operation of the backbone has no ONNX form.
        TrainingError: the bundle is not whole; it is read only where no graph was kept.
    """
    card = source.card
    kept = kept_graph(
        source.cache, card.backbone.fingerprint, card.input.size, lambda: source.module().backbone
    )
    return onnx.load(kept)


def take_pixels(graph: onnx.GraphProto, channels: Channels, full: int) -> None:
    """Let a graph that takes RGB from 0 to 255 take `channels` from 0 to `full` instead.

    Args:
        graph: changed in place.
        channels: the order that it is to take. Reversing them costs a quarter of a percent of a prediction.
        full: what white is in each channel: 255 or 1.
    """
    if full == 1:
        _first(graph, "Mul", TO_255, np.array(255, np.float32))
    if channels == "BGR":
        _first(graph, "Gather", BGR_TO_RGB, np.array([2, 1, 0]), axis=1)


def first_steps(graph: onnx.GraphProto) -> Sequence[onnx.NodeProto]:
    """The nodes before the network: what is added here, normalisation, and smoothing."""
    steps: list[onnx.NodeProto] = []
    name = INPUT
    while True:
        users = [node for node in graph.node if name in node.input and node.op_type != "Shape"]
        if len(users) != 1 or not _on_pixels(users[0]):
            return steps
        steps.append(users[0])
        name = users[0].output[0]


def _on_pixels(node: onnx.NodeProto) -> bool:
    # Smoothing is a convolution of each of the three colours by itself.
    groups = [attribute.i for attribute in node.attribute if attribute.name == "group"]
    return node.op_type in ("Gather", "Mul", "Sub", "Div") or (node.op_type == "Conv" and groups == [3])


def _first(graph: onnx.GraphProto, operation: str, name: str, constant: npt.NDArray[Any], **how: Any) -> None:
    for node in graph.node:
        node.input[:] = [name if one == INPUT else one for one in node.input]
    graph.initializer.append(numpy_helper.from_array(constant, f"{name}.constant"))
    graph.node.insert(0, helper.make_node(operation, [INPUT, f"{name}.constant"], [name], name, **how))


LABEL, SCORES = "classLabel", "loss"
_DOMAIN, _OPSET = "ai.onnx.ml", 3
_TAGS = "tags"
TAGS = "dahlia.tags"
PIXEL_FORMAT, RGB, BGR = "Image.BitmapPixelFormat", "Rgb8", "Bgr8"
PIXEL_RANGE, FULL_RANGE = "Image.NominalPixelRange", "NominalRange_0_255"


def add_class_outputs(proto: onnx.ModelProto, tags: Sequence[str]) -> None:
    """Add `classLabel` (N,) and `loss`, N dictionaries, to a graph that gives `model_output` (N, K)."""
    graph = proto.graph
    graph.initializer.append(numpy_helper.from_array(np.array(tags, object), _TAGS))
    graph.node.extend(
        [
            helper.make_node("ArgMax", [OUTPUT], ["best"], name="best", axis=1, keepdims=0),
            helper.make_node("Gather", [_TAGS, "best"], [LABEL], name=LABEL),
            helper.make_node(
                "ZipMap", [OUTPUT], [SCORES], name=SCORES, domain=_DOMAIN, classlabels_strings=list(tags)
            ),
        ]
    )
    batch = graph.output[0].type.tensor_type.shape.dim[0].dim_param
    scores = helper.make_map_type_proto(
        TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(LABEL, TensorProto.STRING, [batch]),
            helper.make_value_info(SCORES, helper.make_sequence_type_proto(scores)),
        ]
    )
    proto.opset_import.append(helper.make_opsetid(_DOMAIN, _OPSET))


def tags_of(proto: onnx.ModelProto) -> tuple[str, ...]:
    """The tags among which `classLabel` chooses, in the order of the columns; none where it does not."""
    for tensor in proto.graph.initializer:
        if tensor.name == _TAGS:
            return tuple(tag.decode() for tag in tensor.string_data)
    return ()


def describe(proto: onnx.ModelProto, card: ModelCard) -> None:
    """Write into the file how it wants its pixels, and which model it is."""
    proto.producer_name, proto.producer_version = "dahlia", card.dahlia_version
    helper.set_model_props(
        proto,
        {
            PIXEL_FORMAT: BGR if card.channels == "BGR" else RGB,
            PIXEL_RANGE: FULL_RANGE,
            "Image.ColorSpaceGamma": "SRGB",
            TAGS: "\n".join(tag.name for tag in card.tags),
            "dahlia.domain": card.domain,
            "dahlia.version": card.dahlia_version,
        },
    )
